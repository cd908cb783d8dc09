// The page is loaded, then the server is gone: pictures, text and camera codes
// are still verified.
import { once } from 'node:events'
import { assert, newPage, openVerifier, setup, verdict, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser)
  await openVerifier(page)
  await page.waitForSelector('html[data-reader]')
  assert.match(await page.innerText('#privacy'), /Ready, also without a network/)
  console.log('stop')
  await once(process.stdin, 'data')
  process.stdin.destroy()
  await assert.rejects(page.request.get(setup.base), 'the server still answers')

  await page.setInputFiles('#file', setup.png)
  let v = await verdict(page)
  assert.equal(v.kind, 'valid', v.text)
  assert.ok(v.text.includes(setup.name))
  await page.click('#results button')
  await page.setInputFiles('#file', setup.pdf)
  await page.waitForSelector('.govuk-error-summary')
  assert.match(await page.innerText('.govuk-error-summary'), /PDF files cannot be read without a network/)
  await page.locator('summary').click()
  await page.setInputFiles('#file', [])
  await page.fill('#text', setup.forged)
  await page.click('#submit')
  v = await verdict(page)
  assert.equal(v.kind, 'not-valid', v.text)
})
