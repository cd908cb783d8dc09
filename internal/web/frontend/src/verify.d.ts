/** Loads the program and the trust list; once both are there no network is needed. */
export function load(options?: LoadOptions): Promise<Verifier>

export interface LoadOptions {
  /** Where the trust list is, or the text of one or several. The list of the service
   *  that this module came from when left out. */
  trust?: URL | string | string[]
  /** Language of the sentences: en, si or ta. */
  language?: string
  /** How old a state may be for a certificate to be called valid, milliseconds;
   *  seven days when left out. */
  maxStatusAge?: number
}

export interface VerifyOptions {
  /** The time to verify for; now when left out. */
  at?: Date | number
  language?: string
  /** Acceptance rules to ask beside: the text of a file of them, or 'yellow-fever'. */
  rules?: string | string[] | null
  /** The country of arrival whose rules are asked, ISO 3166-1. */
  country?: string
}

export class Verifier {
  /** Verifies the text of one code, or a credential; bytes where the code holds a
   *  ZIP. It throws only where the rules cannot be read. */
  verify(code: string | Uint8Array, options?: VerifyOptions): Statement
  /** The statement for a person to read, some lines of plain text. */
  text(statement: Statement, language?: string): string
  /** Asks for a newer trust list; true where there was one. An older one, or one that
   *  the list in use does not vouch for, is not taken. */
  refresh(): Promise<boolean>
  /** When the states in use were true. */
  readonly asOf: Date
}

export interface Note { code: string; text: string }
export interface Coding { code?: string; system?: string; display?: string }

export interface Rule {
  id: string
  type: 'Acceptance' | 'Invalidation' | 'Product'
  country?: string
  version?: string
  outcome: 'passed' | 'failed' | 'open'
  text: string
  fields?: string[]
  why?: string
}

export interface Statement {
  verdict: 'valid' | 'not-valid' | 'cannot-tell'
  format: string
  issuer: { id: string; name: string; key: string }
  status: string
  statusAsOf?: string
  validFrom?: string
  validUntil?: string
  /** Why the verdict is not valid; empty otherwise. */
  reasons: Note[]
  /** What to do or to know beside the verdict. */
  warnings: Note[]
  /** Issued by a demonstration: it certifies nothing. */
  specimen: boolean
  /** What was signed; only of a certificate that is genuine. */
  content?: Content
  more?: Content[]
  /** What all rules that were asked say of a valid certificate. */
  accepted?: 'passed' | 'failed' | 'open'
  rules?: Rule[]
}

export interface Content {
  name: string
  birthDate?: string
  sex?: string
  nationality?: string
  identifier?: { type?: string; value?: string }
  certificate: { hcid?: string; issuer?: { id?: string; name?: string; country?: string }; period?: { start?: string; end?: string } }
  vaccination?: {
    vaccine?: Coding; brand?: Coding; manufacturer?: Coding; disease?: Coding; country?: Coding
    lot?: string; date?: string; dose?: number; totalDoses?: number; centre?: string; validFrom?: string; validUntil?: string
    [member: string]: unknown
  }
  test?: Record<string, unknown>
  recovery?: Record<string, unknown>
}
