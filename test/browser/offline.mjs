// One visit, then the server is gone and the page is opened anew: pictures, PDFs,
// text and camera codes are still verified, and the age of the states is shown.
import { once } from 'node:events'
import { assert, newPage, openVerifier, setup, shot, unproblematic, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await openVerifier(page)
  await page.waitForSelector('html[data-kept]', { timeout: 60_000 })
  assert.match(await page.innerText('#state'), /^Status of certificates as of .* UTC\.$/)
  // Other pages are seen too, and none of them is kept.
  for (const path of ['/', '/get', '/my', '/desk', '/admin']) await page.goto(setup.base + path)
  await openVerifier(page)
  const kept = await page.evaluate(async () => {
    const urls = []
    for (const name of await caches.keys()) for (const r of await (await caches.open(name)).keys()) urls.push(new URL(r.url).pathname)
    return urls
  })
  assert.ok(kept.includes('/verify') && kept.includes('/assets/verifier.wasm'), `kept: ${kept}`)
  assert.deepEqual(kept.filter((p) => !/^\/(verify$|verify\/|assets\/|theme\/|trust\/bundle\.json$)/.test(p)), [], 'what no one may keep was kept')
  console.log('stop')
  await once(process.stdin, 'data')
  process.stdin.destroy()
  await assert.rejects(page.request.get(setup.base), 'the server still answers')
  await page.close()

  const cold = await page.context().newPage()
  cold.problems = []
  cold.on('pageerror', (e) => cold.problems.push(`error: ${e.message}`))
  await openVerifier(cold)
  await cold.waitForSelector('html[data-reader]')
  await cold.setInputFiles('#file', setup.png)
  let v = await verdict(cold)
  assert.equal(v.kind, 'valid', v.text)
  assert.ok(v.text.includes(setup.name))
  assert.match(v.text, /Status as of/)
  await cold.click('#results .online button') // nobody answers: what was known stays
  await cold.waitForFunction(() => /could not be reached/.test(document.querySelector('.online p').textContent))
  await cold.click('#results > button')
  await cold.setInputFiles('#file', setup.pdf)
  v = await verdict(cold)
  assert.equal(v.kind, 'valid', v.text)
  await cold.click('#results > button')
  await cold.locator('summary').first().click()
  await cold.setInputFiles('#file', [])
  await cold.fill('#text', setup.forged)
  await cold.click('#submit')
  v = await verdict(cold)
  assert.equal(v.kind, 'not-valid', v.text)
  unproblematic(cold, 'without a network')
  await cold.close()

  // Two weeks later the states are old: said in words, and nothing is valid by them.
  const late = await page.context().newPage()
  await late.clock.setFixedTime(Date.now() + 15 * 24 * 3600 * 1000)
  await openVerifier(late)
  assert.match(await late.innerText('#state'), /That is old/)
  await late.locator('summary').first().click()
  await late.fill('#text', setup.text)
  await late.click('#submit')
  v = await verdict(late)
  assert.equal(v.kind, 'cannot-tell', v.text)
  await shot(late, 'offline-late')
})
