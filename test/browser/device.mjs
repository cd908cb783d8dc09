// What the device keeps and sends: a record only where somebody turns it on, and
// without names; a code only where somebody asks for it; a list of issuers only
// where the one before vouches for it.
import { accessible, assert, fits, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser, { width: 320 })
  const stored = () => page.evaluate(() => JSON.stringify(localStorage))
  const check = async (code) => {
    const details = page.locator('details:has(#text)')
    if (!(await details.getAttribute('open') !== null)) await details.locator('summary').first().click()
    await page.fill('#text', code)
    await page.click('#submit')
    return verdict(page)
  }
  await openVerifier(page)
  await page.waitForSelector('html[data-kept]', { timeout: 60_000 })
  await check(setup.text)
  assert.ok(!(await stored()).includes('verdict'), 'a record was kept without being asked for')
  const posts = () => page.requests.filter((r) => r.startsWith('POST'))
  assert.deepEqual(posts(), [], 'something was sent')

  // The issuer is asked when the person asks.
  await page.click('#results .online button')
  await page.waitForFunction(() => /The issuer answered/.test(document.querySelector('.online p').textContent))
  assert.equal((await verdict(page)).kind, 'valid')
  assert.deepEqual(posts(), [`POST ${setup.base}/api/v1/verify`])
  await page.click('#results > button')

  await page.locator('#history summary').click()
  await page.check('#history-on')
  await check(setup.text)
  await page.click('#results > button')
  await check(setup.forged)
  await page.click('#results > button')
  const rows = await page.$$eval('#history tbody tr', (list) => list.map((r) => r.innerText))
  assert.equal(rows.length, 2)
  assert.match(rows[0], /Not valid/)
  assert.match(rows[1], /Valid certificate/)
  const all = await stored()
  assert.ok(!all.includes(setup.name) && !all.includes('HC1:'), 'the record holds more than it says')
  await accessible(page, 'the record of checks')
  await fits(page, 'the record of checks')
  await shot(page, 'history')
  await page.reload()
  await page.waitForSelector('html[data-verifier=local]')
  assert.equal(await page.locator('#history tbody tr').count(), 2)
  await page.locator('#history summary').click()
  await page.uncheck('#history-on')
  assert.ok(!(await stored()).includes('verdict'))

  // The manifest is one that browsers install by.
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector('link[rel=manifest]').href)).json())
  assert.equal(manifest.scope, '/verify')
  assert.equal(manifest.display, 'standalone')
  unproblematic(page, 'device')
})

// Another list under the same address, with other keys: a stranger's.
await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await openVerifier(page)
  const mine = await page.evaluate(async () => (await (await (await caches.open('verify-trust')).match('/trust/bundle.json')).json()))
  let offered = JSON.stringify({ ...mine, version: mine.version + 10, issuers: [] })
  await page.route('**/trust/bundle.json', (route) => route.fulfill({ contentType: 'application/json', body: offered }))
  const state = async () => {
    await page.reload()
    await page.waitForSelector('html[data-verifier=local]')
    return page.innerText('#state')
  }
  assert.match(await state(), /was refused/, 'an empty list')
  offered = JSON.stringify({ ...mine, version: mine.version + 10, issued: '2030-01-01T00:00:00Z' })
  assert.match(await state(), /was refused/, 'a list whose signature is of another')
  await accessible(page, 'a refused list')
  await shot(page, 'refused-list')
  offered = JSON.stringify({ ...mine, version: mine.version - 1 })
  assert.doesNotMatch(await state(), /was refused/, 'an older list is passed over')
  offered = 'damaged'
  assert.doesNotMatch(await state(), /was refused/, 'a damaged answer is passed over')
  await page.locator('details:has(#text) summary').click()
  await page.fill('#text', setup.text)
  await page.click('#submit')
  assert.equal((await verdict(page)).kind, 'valid')
})
