// Sri Lanka: a certificate on demand from DHIS2, by the number of an identity card, in
// three languages, with a code by SMS; and a ticket when DHIS2 is away.
import { assert, setup, withBrowser } from './lib.mjs'
import { digits, download, look, open, send, sms, verified } from './story.mjs'

const person = setup.citizen

await withBrowser(async (browser) => {
  const page = await open(browser)
  await page.goto(`${setup.base}/get?lang=si`)
  await look(page, 'srilanka-get-si')
  await page.fill('#number', person.number)
  await send(page, 'main button[type=submit]')
  await look(page, 'srilanka-code-si')
  await page.fill('#code', digits(await sms(setup.phone, 1)))
  await page.fill('#day', person.day)
  await page.fill('#month', person.month)
  await page.fill('#year', person.year)
  await send(page, 'main button[type=submit]')
  await page.waitForSelector('.holder')
  assert.match(await page.innerText('main'), new RegExp(person.name))
  await page.click('.holder__open >> nth=0')
  await page.waitForSelector('.qr')
  for (const lang of ['si', 'ta', 'en']) {
    await page.goto(`${page.url().split('?')[0]}?lang=${lang}`)
    assert.equal(await page.getAttribute('html', 'lang'), lang)
    await look(page, `srilanka-certificate-${lang}`)
  }
  assert.equal(await page.$$eval('input[name=language]', (all) => all.filter((x) => x.checked).length), 3)
  const pdf = await download(page, 'form[action$="/pdf"] button', 'three.pdf')
  assert.match(verified(pdf), /^valid, exit 0/)

  // DHIS2 is away: there is a number to come back with.
  await fetch(setup.register, { method: 'POST' })
  const other = await open(browser, { width: 1280 })
  await other.goto(`${setup.base}/get?lang=ta`)
  await other.fill('#number', '199034501234')
  await send(other, 'main button[type=submit]')
  await look(other, 'srilanka-ticket')
  await other.fill('main input[name=year]', '1990')
  await send(other, 'main form:has(input[name=year]) button')
  assert.match(await other.innerText('main'), /[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/)
  await look(other, 'srilanka-ticket-made')
  assert.deepEqual(page.problems, [])
})
