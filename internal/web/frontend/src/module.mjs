// Our verifier for pages of other sites: load() brings the program and the trust
// list, verify() then needs no network and sends nothing anywhere.
const base = new URL('.', import.meta.url)

let running // one program for the page

function program() {
  running ??= start()
  running.catch(() => { running = undefined }) // the next call tries again
  return running
}

async function start() {
  await import(new URL('wasm_exec.js', base))
  const go = new globalThis.Go()
  const answer = await fetch(new URL('verifier.wasm', base), { credentials: 'omit' })
  if (!answer.ok) throw new Error(`verifier.wasm: ${answer.status}`)
  const { instance } = await WebAssembly.instantiateStreaming(answer, go.importObject)
  go.run(instance) // resolves only when the program ends
  if (!globalThis.divoc) throw new Error('the verifier did not start')
  return globalThis.divoc
}

async function get(url) {
  const answer = await fetch(url, { credentials: 'omit', cache: 'no-cache' })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  return answer.text()
}

export class Verifier {
  #divoc
  #lists // texts
  #url
  #language
  #maxStatusAge

  constructor(divoc, lists, { url, language, maxStatusAge }) {
    this.#divoc = divoc
    this.#lists = lists
    this.#url = url
    this.#language = language
    this.#maxStatusAge = maxStatusAge ?? null
    this.verify('') // a list that cannot be read fails here
  }

  verify(code, { at = new Date(), language = this.#language, rules = null, country = '' } = {}) {
    const said = JSON.parse(this.#divoc.verify(code, this.#lists, Number(at), language, this.#maxStatusAge, rules, country))
    if (said.error) throw new Error(said.error)
    return said
  }

  text(statement, language = this.#language) { return this.#divoc.text(JSON.stringify(statement), language) }

  async refresh() {
    if (!this.#url) return false
    const news = await get(this.#url)
    const [now] = this.#lists
    if (news === now || this.#divoc.replaces(news, now) !== '') return false // an older list brings nothing back
    this.#lists = [news]
    return true
  }

  get asOf() {
    const said = JSON.parse(this.#lists[0])
    return new Date(said.status?.[0]?.asOf ?? said.issued)
  }
}

export async function load({ trust, language = 'en', maxStatusAge } = {}) {
  const given = trust === undefined || trust instanceof URL ? undefined : [trust].flat()
  const url = given ? undefined : trust ?? new URL('/trust/bundle.json', base)
  const [divoc, lists] = await Promise.all([program(), given ?? get(url).then((text) => [text])])
  return new Verifier(divoc, lists, { url, language, maxStatusAge })
}
