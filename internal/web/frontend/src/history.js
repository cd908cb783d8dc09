// A record of checks, kept on this device only where the person wants one. It
// holds when, what the verdict was and why, and no one's name.
import { make, text, time } from './result.js'

const key = 'verify-history'
const most = 500

export class History {
  #texts
  #el

  constructor(texts, el) {
    this.#texts = texts
    this.#el = el
    el.querySelector('input').addEventListener('change', (e) => {
      if (e.target.checked) this.#write([])
      else this.clear()
      this.#show()
    })
    el.querySelector('button').addEventListener('click', () => { this.#write([]); this.#show() })
    this.#show()
  }

  get #rows() {
    try { return JSON.parse(localStorage.getItem(key)) } catch { return null }
  }

  #write(rows) {
    try { localStorage.setItem(key, JSON.stringify(rows)) } catch { /* full, or not allowed: there is no record */ }
  }

  clear() {
    try { localStorage.removeItem(key) } catch { /* there is none */ }
  }

  /** Adds statements, where a record is kept. */
  add(statements) {
    const rows = this.#rows
    if (!rows) return
    const at = new Date().toISOString()
    for (const s of statements) rows.unshift({ at, verdict: s.verdict, why: s.reasons?.[0]?.text ?? '' })
    this.#write(rows.slice(0, most))
    this.#show()
  }

  #show() {
    const rows = this.#rows
    this.#el.querySelector('input').checked = rows !== null
    const body = this.#el.querySelector('tbody')
    body.replaceChildren(...(rows ?? []).map((r) => {
      const line = make('tr', '', 'govuk-table__row')
      for (const value of [time(this.#texts, r.at), text(this.#texts, `result.${r.verdict}`), r.why]) line.append(make('td', value, 'govuk-table__cell'))
      return line
    }))
    this.#el.querySelector('table').hidden = !rows?.length
    this.#el.querySelector('button').hidden = !rows?.length
  }
}
