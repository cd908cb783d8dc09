// Writes statements as the server writes them, from the same templates, texts
// and table of rows. Every value goes in as text, never as markup.

/** A text with its places filled. */
export function text(texts, key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place)
}

// A certificate that is valid and not accepted must not look like one that is both.
function verdictOf(s) {
  if (s.verdict === 'valid' && s.accepted) return { passed: 'valid', failed: 'not-accepted' }[s.accepted] ?? 'undecided'
  return ['valid', 'cannot-tell'].includes(s.verdict) ? s.verdict : 'not-valid'
}

/** The element of one statement. level is that of its heading. */
export function statement(config, s, level) {
  const { texts } = config
  const verdict = verdictOf(s)
  const template = document.querySelector(`template[data-verdict="${verdict}"]`)
  const el = template.content.cloneNode(true).querySelector('[data-part=statement]')
  const part = (name) => el.querySelector(`[data-part=${name}]`)
  if (!s.specimen) part('specimen').remove()
  for (const name of ['reasons', 'warnings']) {
    const list = part(name).querySelector('ul')
    for (const note of s[name] ?? []) list.append(make('li', note.text))
    if (list.children.length === 0) part(name).remove()
  }
  const rules = part('rules').querySelector('ul')
  for (const r of s.rules ?? []) {
    const item = make('li', '')
    item.append(make('strong', text(texts, `rule.${r.outcome}`)), `: ${r.text}`)
    rules.append(item)
  }
  if (rules.children.length === 0) part('rules').remove()
  for (const row of config.rows) {
    if ((row.group === 'content' && !s.content) || (row.known && !s.issuer?.id) || (row.of && row.of !== certified(s))) continue
    let value = write(texts, row.kind, find(s, row.path))
    if (!value && !row.must) continue
    value ||= text(texts, 'result.missing')
    const line = make('div', '', 'govuk-summary-list__row')
    const shown = make('dd', '', 'govuk-summary-list__value')
    shown.append(make('bdi', value)) // a number keeps its order in a text from right to left
    line.append(make('dt', text(texts, row.label), 'govuk-summary-list__key'), shown)
    part(row.group).querySelector('dl').append(line)
  }
  for (const name of ['content', 'issued']) if (part(name).querySelector('dl').children.length === 0) part(name).remove()
  if (level > 1) for (const h of el.querySelectorAll('h1, h2')) lower(h)
  return el
}

export function make(tag, content, className) {
  const el = document.createElement(tag)
  el.textContent = content
  if (className) el.className = className
  return el
}

// lower replaces a heading by one of the next level.
function lower(h) {
  const el = make(h.tagName === 'H1' ? 'h2' : 'h3', h.textContent, h.className)
  h.replaceWith(el)
}

/** What a statement's content is about. */
function certified(s) {
  return ['test', 'recovery'].find((of) => s.content?.[of]) ?? 'vaccination'
}

function find(root, paths) {
  for (const path of paths.split('|')) {
    let v = root
    for (const name of path.split('.')) v = v !== null && typeof v === 'object' ? v[name] : undefined
    if (v !== undefined && v !== null && v !== '') return v
  }
  return undefined
}

function write(texts, kind, v) {
  const string = typeof v === 'string' ? v : ''
  const object = v !== null && typeof v === 'object' ? v : {}
  switch (kind) {
    case 'coding': return (object.code && texts[`term.${object.code}`]) || object.display || object.code || ''
    case 'date': return date(texts, string)
    case 'time': return time(texts, string)
    case 'dose': {
      const { dose, totalDoses: total } = object
      if (!(dose > 0)) return ''
      return text(texts, total >= dose ? 'dose.of' : 'dose.text', { dose: String(dose), total: String(total) })
    }
    case 'sex': case 'status': return texts[`${kind}.${string}`] ?? string
    default: return string
  }
}

function date(texts, s) {
  const m = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(~?)$/.exec(s)
  if (!m) return ''
  const values = { year: String(+m[1]), month: m[2] && text(texts, `month.${+m[2]}`), day: m[3] && String(+m[3]) }
  const plain = m[3] ? text(texts, 'date.day', values) : m[2] ? text(texts, 'date.month', values) : values.year
  return m[4] ? text(texts, 'date.estimated', { date: plain }) : plain
}

/** A moment to the minute, in UTC. */
export function time(texts, s) {
  const t = new Date(s)
  if (!s || isNaN(t)) return ''
  const iso = t.toISOString()
  return text(texts, 'date.time', { date: date(texts, iso.slice(0, 10)), time: iso.slice(11, 16) })
}
