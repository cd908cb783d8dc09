// The page /verify: verifies on the device what the camera, a file or a text
// brings. Where this browser cannot, the form goes to the server as without
// scripts.
import { Camera, refusal, whyNot } from './camera.js'
import { Codes, Unusable } from './codes.js'
import { History } from './history.js'
import { keep } from './offline.js'
import { make, statement, text, time } from './result.js'
import { NoRules, Verifier } from './verifier.js'

const $ = (id) => document.getElementById(id)
const config = JSON.parse($('verifier').dataset.config)
const t = (key, values) => text(config.texts, key, values)
const show = (id, on) => { $(id).hidden = !on }
const say = (key) => { $('say').textContent = key ? t(key) : '' }
const pageTitle = document.title

const codes = new Codes(config)
const verifier = new Verifier(config)
const camera = new Camera($('camera-video'), codes, { light: $('camera-light'), lens: $('camera-lens'), t })
const history = new History(config.texts, $('history'))

let local // whether this device verifies: undefined until it is known
$('privacy').textContent = t('verify.loading')
const loaded = verifier.load().then(() => { local = true }, () => { local = false }).then(() => {
  document.documentElement.dataset.verifier = local ? 'local' : 'server'
  if (local) {
    $('privacy').textContent = t('verify.privacy.local')
    show('history', true)
    state()
    verifier.onChange = state
    setInterval(state, 60_000) // it grows old while nobody looks
    codes.prepare().then(() => { document.documentElement.dataset.reader = 'ready' }, () => {})
      .then(() => keep(config)).then(() => { document.documentElement.dataset.kept = 'ready' }, () => {})
  } else {
    $('privacy').textContent = t('verify.notready')
  }
})

// state says of when the states are that certificates are judged by.
function state() {
  const el = $('state')
  const stale = verifier.stale || verifier.refused
  const key = verifier.refused ? 'verify.state.refused' : verifier.stale ? 'verify.state.stale' : 'verify.state'
  el.classList.toggle('state--stale', stale)
  el.querySelector('p').textContent = t(key, { time: time(config.texts, verifier.asOf) }) + (verifier.outdated ? ` ${t('verify.update')}` : '')
  show('state-take', verifier.refused)
  el.hidden = false
  rulesState()
}

// rulesState says since when the rules of countries hold, or that they are not here.
function rulesState() {
  const { rules } = verifier
  const el = $('rules-state')
  el.hidden = !rules
  if (!rules) return
  el.classList.toggle('state--stale', rules.old)
  const key = !rules.since ? 'verify.rules.missing' : rules.old ? 'verify.rules.old' : 'verify.rules.state'
  el.querySelector('p').textContent = t(key, { time: time(config.texts, rules.since) })
}
$('state-take').addEventListener('click', () => verifier.takeRefused().then(state, () => {}))

// Camera

show('camera', true)
const no = whyNot()
if (no) {
  show('camera-start', false)
  say(no)
}

$('camera-start').addEventListener('click', async () => {
  clearFaults()
  say('verify.camera.starting')
  show('camera-start', false)
  let code
  let end = ''
  try {
    code = await camera.scan({
      onStart() { say('verify.camera.looking'); show('camera-view', true); $('camera-stop').focus() },
      onTips() { show('camera-tips', true) },
      onStop() { for (const id of ['camera-view', 'camera-tips']) show(id, false); show('camera-start', true) },
    })
  } catch (e) {
    show('camera-start', true)
    end = refusal(e)
  }
  say(end)
  if (code === undefined) $('camera-start').focus()
  else await judge([code])
})
$('camera-stop').addEventListener('click', () => camera.stop())

// File and text

$('form').addEventListener('submit', async (event) => {
  if (local === false) return // to the server
  event.preventDefault()
  camera.stop()
  clearFaults()
  const file = $('file').files[0]
  const pasted = $('text').value // not trimmed: a Base45 text may end with a space
  if (!file && !pasted.trim()) return fault('verify.empty')
  if (file?.size > config.maxFile) return fault('verify.toolarge')
  say('verify.checking')
  await loaded
  if (!local) return $('form').submit()
  try {
    await judge(file ? await codes.inFile(file) : [pasted])
  } catch (e) {
    fault(e instanceof Unusable ? e.key : 'verify.failed')
  }
})

// A file is checked as soon as it is chosen; the button stays for those who
// choose it again.
$('file').addEventListener('change', () => { if (local && $('file').files.length > 0) $('form').requestSubmit() })

// Results

async function judge(found) {
  await loaded
  if (!local) return send(found[0])
  let statements
  try { statements = found.flatMap((code) => verifier.verify(code, $('rules').value)) } catch (e) { return fault(e instanceof NoRules ? 'verify.rules.missing' : 'verify.failed') }
  say('')
  history.add(statements)
  const several = statements.length > 1
  const results = $('results')
  results.replaceChildren()
  if (several) {
    const h = make('h1', t('result.several', { count: String(statements.length) }), 'govuk-heading-l')
    h.tabIndex = -1
    results.append(h, make('p', t('result.several.text'), 'govuk-body'))
  }
  for (const s of statements) results.append(statement(config, s, several ? 2 : 1))
  if (found.length === 1 && typeof found[0] === 'string' && statements.some((s) => s.issuer?.id)) results.append(online(found[0]))
  const again = make('button', t('result.again'), 'govuk-button')
  again.type = 'button'
  again.addEventListener('click', askAgain)
  results.append(again)
  show('ask', false)
  show('results', true)
  const h1 = results.querySelector('h1')
  document.title = `${h1.textContent} – ${pageTitle}`
  scrollTo(0, 0)
  h1.focus()
  // A hand that holds a phone feels the verdict: once good, thrice not.
  navigator.vibrate?.(statements.every((s) => s.verdict === 'valid' && (s.accepted ?? 'passed') === 'passed') ? 80 : [80, 80, 80, 80, 80])
}

function askAgain() {
  $('form').reset()
  $('results').replaceChildren()
  show('results', false)
  show('ask', true)
  document.title = pageTitle
  scrollTo(0, 0)
  $(no ? 'file' : 'camera-start').focus()
}

// online offers to ask the service: only then does anything of the person leave
// the device.
function online(code) {
  const box = make('div', '', 'online')
  const button = make('button', t('result.online'), 'govuk-button govuk-button--secondary')
  button.type = 'button'
  const said = make('p', t('result.online.hint'), 'govuk-body-s')
  said.setAttribute('role', 'status')
  box.append(button, said)
  button.addEventListener('click', async () => {
    button.disabled = true
    const rules = $('rules').value
    try {
      const answer = await fetch(`/api/v1/verify${rules ? `?rules=${encodeURIComponent(rules)}` : ''}`, {
        method: 'POST', credentials: 'omit', headers: { 'Content-Type': 'application/json', 'Accept-Language': config.lang }, body: JSON.stringify({ data: code }),
      })
      if (!answer.ok) throw new Error(String(answer.status))
      const s = await answer.json()
      const shown = $('results').querySelector('.result')
      shown.replaceWith(statement(config, s.statements?.[0] ?? s, 1))
      said.textContent = t('result.online.done', { time: time(config.texts, new Date().toISOString()) })
    } catch {
      said.textContent = t('result.online.failed', { time: time(config.texts, verifier.asOf) })
      button.disabled = false
    }
  })
  return box
}

// send gives a code from the camera to the server, as a file.
function send(code) {
  const files = new DataTransfer()
  files.items.add(new File([code], 'code'))
  $('file').files = files.files
  $('form').submit()
}

// Faults

function fault(key) {
  say('')
  const item = make('li', '')
  const link = make('a', t(key))
  link.href = '#file'
  link.addEventListener('click', (e) => { e.preventDefault(); $('file').focus() })
  item.append(link)
  const list = make('ul', '', 'govuk-list govuk-error-summary__list')
  list.append(item)
  const body = make('div', '', 'govuk-error-summary__body')
  body.append(list)
  const alert = make('div', '')
  alert.setAttribute('role', 'alert')
  alert.append(make('h2', t('error.summary'), 'govuk-error-summary__title'), body)
  const summary = make('div', '', 'govuk-error-summary')
  summary.append(alert)
  $('faults').replaceChildren(summary)
  const message = make('p', '', 'govuk-error-message')
  message.id = 'file-error'
  message.append(make('span', t('error.prefix'), 'govuk-visually-hidden'), ` ${t(key)}`)
  $('file').before(message)
  $('file').setAttribute('aria-describedby', 'file-hint file-error')
  $('file').closest('.govuk-form-group').classList.add('govuk-form-group--error')
  scrollTo(0, 0)
  $('faults').focus()
}

function clearFaults() {
  $('faults').replaceChildren()
  $('file-error')?.remove()
  $('file').setAttribute('aria-describedby', 'file-hint')
  $('file').closest('.govuk-form-group').classList.remove('govuk-form-group--error')
}
