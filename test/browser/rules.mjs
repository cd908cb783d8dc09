// Acceptance rules on /verify: a genuine certificate is accepted, not accepted or
// undecided, in words and shape, in every language; the same without scripts, and
// without a network once the rules were seen.
import { once } from 'node:events'
import { accessible, assert, fits, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

const words = {
  en: { title: { valid: 'Valid certificate', 'not-accepted': 'Genuine, but not accepted', undecided: 'Genuine; cannot tell whether accepted' }, rule: ['Met', 'Not met', 'Cannot be decided'] },
  si: { title: { valid: 'වලංගු සහතිකයකි', 'not-accepted': 'සැබෑයි, නමුත් පිළිගන්නේ නැත', undecided: 'සැබෑයි; පිළිගන්නේ දැයි කිව නොහැක' }, rule: ['සපුරා ඇත', 'සපුරා නැත', 'තීරණය කළ නොහැක'] },
  ta: { title: { valid: 'செல்லுபடியாகும் சான்றிதழ்', 'not-accepted': 'உண்மையானது, ஆனால் ஏற்கப்படவில்லை', undecided: 'உண்மையானது; ஏற்கப்படுமா என்று கூற முடியவில்லை' }, rule: ['நிறைவு', 'நிறைவாகவில்லை', 'தீர்மானிக்க முடியவில்லை'] },
}

// Who asks what of which certificate, and what comes of it.
const cases = [
  ['JM', setup.yellowFever, 'valid', 0],
  ['JM', setup.covid, 'not-accepted', 1],
  ['FR', setup.covid, 'undecided', 2], // a rule for EU certificates
  ['yellow-fever', setup.yellowFever, 'valid', 0],
  ['yellow-fever', setup.covid, 'not-accepted', 1],
  ['JM', setup.forged, 'not-valid'], // only what is valid is asked
  ['', setup.covid, 'valid'],
]

async function ask(page, asked, code) {
  await page.$$eval('#form details', (all) => { for (const d of all) d.open = true })
  await page.selectOption('#rules', asked)
  await page.fill('#text', code)
  await page.click('#submit')
}

async function check(page, lang, what, [asked, , kind, outcome]) {
  const v = await verdict(page)
  assert.equal(v.kind, kind, `${what}: ${v.text}`)
  if (outcome === undefined) {
    assert.equal(await page.locator('.result [data-part=rules]').count(), 0, `${what}: rules are shown`)
    return
  }
  assert.equal(await page.innerText('.result h1'), words[lang].title[kind], what)
  const rules = await page.$$eval('.result [data-part=rules] li', (all) => all.map((li) => li.textContent))
  assert.equal(rules.length, 1, `${what}: ${rules}`)
  assert.ok(rules[0].startsWith(`${words[lang].rule[outcome]}: `), `${what}: ${rules}`)
  const own = setup.rules[asked]?.[lang]
  if (own) assert.ok(rules[0].endsWith(`: ${own}`), `${what}: ${rules}`)
}

await withBrowser(async (browser) => {
  for (const lang of ['en', 'si', 'ta']) {
    const page = await newPage(browser) // 360 px
    await openVerifier(page, lang)
    await page.waitForLoadState('networkidle') // the rules come after the list
    await page.$$eval('#form details', (all) => { for (const d of all) d.open = true })
    await accessible(page, `${lang}: which rules`)
    await fits(page, `${lang}: which rules`)
    await shot(page, `rules-${lang}`)
    for (const c of cases) {
      const what = `${lang} ${c[0]} ${c[2]}`
      await ask(page, c[0], c[1])
      await check(page, lang, what, c)
      await accessible(page, what)
      await fits(page, what)
      await shot(page, `rules-${lang}-${c[0]}-${c[2]}`)
      await page.click('#results > button')
    }
    assert.deepEqual(page.requests.filter((r) => !r.startsWith('GET ')), [], 'something was sent')
    unproblematic(page, lang)
    await page.context().close()

    const plain = await newPage(browser, { javaScriptEnabled: false })
    for (const c of cases) {
      await plain.goto(`${setup.base}/verify?lang=${lang}`)
      for (const summary of await plain.locator('#form summary').all()) await summary.click()
      await plain.selectOption('#rules', c[0])
      await plain.fill('#text', c[1])
      await plain.click('#submit')
      await plain.waitForSelector('.result')
      await check(plain, lang, `${lang} ${c[0]} ${c[2]} without scripts`, c)
    }
    await plain.context().close()
  }

  const since = /^(⚠ )?Rules of countries in force since \d+ \w+ \d{4}, \d\d:\d\d UTC\.$/
  const rulesState = async (p) => {
    await p.$$eval('#form details', (all) => { for (const d of all) d.open = true })
    await p.waitForSelector('#rules-state:not([hidden])')
    return p.innerText('#rules-state')
  }
  const page = await newPage(browser)
  await openVerifier(page)
  await page.waitForSelector('html[data-kept]', { timeout: 60_000 })
  await page.waitForFunction(async () => (await caches.match('/verify/rules.json')) !== undefined)
  assert.match(await rulesState(page), since)

  // Rules that are not those that the signed list names do not count, whoever sends them.
  const other = await newPage(browser, { serviceWorkers: 'block' })
  await other.route('**/verify/rules.json', (r) => r.fulfill({ contentType: 'application/json', body: JSON.stringify({ products: [{ Identifier: 'ANY', Country: 'JM', Disease: 'RA01', AfterDays: 0, Years: 0 }] }) }))
  await openVerifier(other)
  assert.match(await rulesState(other), /not on this device/)
  await shot(other, 'rules-missing')
  await ask(other, 'JM', setup.covid)
  await other.waitForSelector('.govuk-error-summary')
  assert.match(await other.innerText('.govuk-error-summary'), /rules of countries are not on this device/)
  await accessible(other, 'no rules')
  await other.context().close()

  console.log('stop')
  await once(process.stdin, 'data')
  process.stdin.destroy()
  await assert.rejects(page.request.get(setup.base), 'the server still answers')
  await page.close()
  const cold = await page.context().newPage()
  await openVerifier(cold)
  assert.match(await rulesState(cold), since)
  assert.equal(await cold.locator('#rules-state.state--stale').count(), 0)
  await shot(cold, 'rules-offline')
  for (const c of cases.slice(0, 5)) {
    await ask(cold, c[0], c[1])
    await check(cold, 'en', `${c[0]} ${c[2]} without a network`, c)
    await cold.click('#results > button')
  }

  // Rules on the device that are of before those that the list names are asked, and
  // said to be old; such that were changed there count for nothing.
  const keptAs = (change) => cold.evaluate(async (change) => {
    const cache = await caches.open('verify-trust')
    const kept = await cache.match('/verify/rules.json')
    const note = JSON.parse(kept.headers.get('Rules-Note'))
    let text = await kept.text()
    if (change === 'older') {
      text = text.replace('"AfterDays":10', '"AfterDays":11')
      note.version--
      note.sha256 = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))))
    } else text = text.replace('"AfterDays":11', '"AfterDays":0')
    await cache.put('/verify/rules.json', new Response(text, { headers: { 'Content-Type': 'application/json', 'Rules-Note': JSON.stringify(note) } }))
  }, change)
  await keptAs('older')
  await openVerifier(cold)
  assert.match(await rulesState(cold), /There are newer ones/)
  await accessible(cold, 'older rules')
  await shot(cold, 'rules-old')
  await ask(cold, cases[0][0], cases[0][1])
  await check(cold, 'en', 'by older rules', cases[0])
  await keptAs('changed')
  await openVerifier(cold)
  assert.match(await rulesState(cold), /not on this device/)
})
