// Our verifier, the same Go code as on the server, as WebAssembly, and the
// trust bundle it needs, which is kept on the device. Once both are loaded
// nothing here needs a network.

const refreshEvery = 5 * 60 * 1000
const store = 'verify-trust'

export class Verifier {
  #config
  #trust // JSON text
  #said = {} // what it says of itself
  #refused // a newer list that may not take its place by itself
  #hash // of the program, hex
  #rules // the acceptance rules of countries: {text, note}, the note as the trust list has it
  onChange = () => {}

  constructor(config) { this.#config = config }

  /** Loads what is needed; fails where this browser cannot verify. */
  async load() {
    const { wasm, exec } = this.#config
    if (!wasm || !exec || !globalThis.WebAssembly) throw new Error('no verifier for this browser')
    const fetched = this.#fetchTrust().catch(() => undefined)
    const [program, kept] = await Promise.all([this.#program(wasm, exec), this.#keptTrust()])
    program.run()
    if (!globalThis.divoc) throw new Error('the verifier did not start')
    if (kept) await this.#take(kept).catch(() => {}) // what was kept and is damaged counts for nothing
    const news = await fetched
    if (news) await this.#take(news).catch((e) => { if (!this.#trust) throw e })
    if (!this.#trust) throw new Error('no trust bundle')
    await this.#recallRules()
    this.#takeRules()
    setInterval(() => this.refresh(), refreshEvery)
    addEventListener('online', () => this.refresh())
  }

  async #program(wasm, exec) {
    const compiled = compile(wasm)
    await import(exec)
    const go = new globalThis.Go()
    const { module, hash } = await compiled
    this.#hash = hash
    const instance = await WebAssembly.instantiate(module, go.importObject)
    return { run: () => { go.run(instance) } } // resolves only when the program ends
  }

  async #fetchTrust() {
    const answer = await fetch(this.#config.trust, { credentials: 'omit', cache: 'no-cache' })
    if (!answer.ok) throw new Error(`trust bundle: ${answer.status}`)
    return answer.text()
  }

  async #keptTrust() {
    try { return await (await (await caches.open(store)).match(this.#config.trust))?.text() } catch { return undefined }
  }

  // The rules as they were kept, where they are what the note beside them says, and not
  // newer than the trust list knows of.
  async #recallRules() {
    const { rules } = this.#config
    if (!rules || !this.#said.rules) return
    try {
      const kept = await (await caches.open(store)).match(rules)
      const note = JSON.parse(kept.headers.get('Rules-Note'))
      const text = await kept.text()
      if (note.version <= this.#said.rules.version && await hashes(text, note)) this.#rules = { text, note }
    } catch { /* there are none */ }
  }

  // The rules that the trust list names, and no others, where they are not here yet.
  // Those of before stay until they are: their age is shown.
  async #takeRules() {
    const { rules } = this.#config
    const note = this.#said.rules
    if (!rules || !note) {
      this.#rules = undefined
      return
    }
    if (this.#rules?.note.sha256 === note.sha256) return
    try {
      const answer = await fetch(rules, { credentials: 'omit', cache: 'no-cache' })
      if (!answer.ok) throw new Error(`rules: ${answer.status}`)
      const text = await answer.text()
      if (!await hashes(text, note)) throw new Error('these are other rules')
      this.#rules = { text, note }
      await (await caches.open(store)).put(rules, new Response(text, { headers: { 'Content-Type': 'application/json', 'Rules-Note': JSON.stringify(note) } }))
    } catch { /* asked for again with the next trust list */ }
    this.onChange()
  }

  // A list takes the place of the one in use only when that one's keys vouch for
  // it and it is newer: what an older list withdrew stays withdrawn.
  async #take(text) {
    if (text === this.#trust) return
    const said = JSON.parse(text)
    if (this.#trust) {
      if (said.version === this.#said.version) return
      if (globalThis.divoc.replaces(text, this.#trust) !== '') {
        this.#refused = said.version > this.#said.version ? text : undefined
        return
      }
    }
    await this.#use(text)
  }

  async #use(text) {
    const before = this.#trust
    this.#trust = text
    try { this.verify('') } catch (e) { this.#trust = before; throw e } // it is read now, and fails here when it cannot
    this.#said = JSON.parse(text)
    this.#refused = undefined
    try { await (await caches.open(store)).put(this.#config.trust, new Response(text, { headers: { 'Content-Type': 'application/json' } })) } catch { /* kept for this visit */ }
    this.onChange()
  }

  /** Asks for a newer trust bundle; without a network the last one stays. */
  async refresh() {
    if (document.hidden) return
    try { await this.#take(await this.#fetchTrust()) } catch { /* its age is shown */ }
    await this.#takeRules()
    this.onChange()
  }

  /** Takes the list that was refused: a person decided so. */
  async takeRefused() {
    if (!this.#refused) return
    await this.#use(this.#refused)
    await this.#takeRules()
  }

  /** Whether a newer list waits for a person's decision. */
  get refused() { return this.#refused !== undefined }

  /** When the states in use were true. */
  get asOf() { return this.#said.status?.[0]?.asOf ?? this.#said.issued }

  /**
   * The rules of countries that can be asked: undefined where the service has none,
   * else since when they hold (undefined while they are not here), and whether the
   * trust list names newer ones.
   */
  get rules() {
    const named = this.#config.rules && this.#said.rules
    if (!named) return undefined
    return { since: this.#rules?.note.changed, old: this.#rules?.note.sha256 !== named.sha256 }
  }

  /** Whether newer states should be there by now. */
  get stale() {
    const next = this.#said.status?.map((s) => Date.parse(s.nextUpdate)) ?? []
    return next.some((t) => t < Date.now())
  }

  /** Whether the list names another program than the one that runs. */
  get outdated() {
    if (!this.#said.verifier || !this.#hash) return false
    return hex(this.#said.verifier) !== this.#hash
  }

  /**
   * Verifies one code.
   * @param {string|Uint8Array} data
   * @param {string} [asked] which acceptance rules to ask beside: yellow-fever, or a country
   * @returns {object[]} the statements of this code
   */
  verify(data, asked = '') {
    const rules = asked === 'yellow-fever' ? asked : this.#rules?.text
    if (asked && !rules) throw new NoRules()
    const said = JSON.parse(globalThis.divoc.verify(data, this.#trust, Date.now(), this.#config.lang, this.#config.maxStatusAge, asked ? rules : null, asked))
    if (said.error) throw new Error(said.error)
    return [said]
  }
}

/** The rules that are asked for are not on this device. */
export class NoRules extends Error {}

// hex is bytes in base64 as hexadecimal.
const hex = (base64) => Array.from(atob(base64), (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('')

// hashes reports whether a text is the one of a note; without encryption (http) nobody
// can tell, and nothing is kept either.
async function hashes(text, note) {
  const sum = await digest(new Response(text))
  return sum === undefined || sum === hex(note.sha256)
}

async function compile(url) {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`verifier: ${answer.status}`)
  const copy = answer.clone()
  const module = WebAssembly.compileStreaming ? WebAssembly.compileStreaming(answer) : answer.arrayBuffer().then((b) => WebAssembly.compile(b))
  return { module: await module, hash: await digest(copy).catch(() => undefined) }
}

async function digest(answer) {
  if (!globalThis.crypto?.subtle) return undefined
  const sum = await crypto.subtle.digest('SHA-256', await answer.arrayBuffer())
  return Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('')
}
