// Our verifier, the same Go code as on the server, as WebAssembly, and the
// trust bundle it needs. Once both are loaded nothing here needs a network.

const refreshEvery = 5 * 60 * 1000

export class Verifier {
  #config
  #trust // JSON text
  #issued // of the bundle, ISO 8601

  constructor(config) { this.#config = config }

  /** Loads what is needed; fails where this browser cannot verify. */
  async load() {
    const { wasm, exec } = this.#config
    if (!wasm || !exec || !globalThis.WebAssembly) throw new Error('no verifier for this browser')
    const [program] = await Promise.all([this.#program(wasm, exec), this.#fetchTrust()])
    program.run()
    if (!globalThis.divoc) throw new Error('the verifier did not start')
    this.verify('') // reads the trust bundle now, and fails here when it cannot
    setInterval(() => this.refresh(), refreshEvery)
    addEventListener('online', () => this.refresh())
  }

  async #program(wasm, exec) {
    const compiled = compile(wasm)
    await import(exec)
    const go = new globalThis.Go()
    const instance = await WebAssembly.instantiate(await compiled, go.importObject)
    return { run: () => { go.run(instance) } } // resolves only when the program ends
  }

  async #fetchTrust() {
    const answer = await fetch(this.#config.trust, { credentials: 'omit', cache: 'no-cache' })
    if (!answer.ok) throw new Error(`trust bundle: ${answer.status}`)
    const text = await answer.text()
    const bundle = JSON.parse(text)
    // Only a newer list with issuers replaces the one we have.
    if (this.#trust && (!(bundle.issuers?.length > 0) || bundle.issued < this.#issued)) return
    this.#trust = text
    this.#issued = bundle.issued
  }

  /** Asks for a newer trust bundle; without a network the last one stays. */
  async refresh() {
    if (document.hidden) return
    try { await this.#fetchTrust() } catch { /* its age is shown */ }
  }

  /** When the trust bundle was made. */
  get issued() { return this.#issued }

  /**
   * Verifies one code.
   * @param {string|Uint8Array} data
   * @returns {object[]} the statements of this code
   */
  verify(data) {
    const said = JSON.parse(globalThis.divoc.verify(data, this.#trust, Date.now(), this.#config.lang))
    if (said.error) throw new Error(said.error)
    return [said]
  }
}

async function compile(url) {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`verifier: ${answer.status}`)
  if (WebAssembly.compileStreaming) return WebAssembly.compileStreaming(answer)
  return WebAssembly.compile(await answer.arrayBuffer())
}
