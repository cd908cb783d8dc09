// A person asks for a certificate by the number of their identity card: it is
// fetched from the register, issued, and shown in the citizens' portal, in three
// languages; and where the register is away, there is a ticket.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

const person = setup.citizen

await withBrowser(async (browser) => {
  for (const [width, height, lang] of [[360, 640, 'si'], [1280, 900, 'ta'], [320, 640, 'en']]) {
    const page = await newPage(browser, { width, height })
    const seen = async (name) => {
      await fits(page, `${name} ${lang} ${width}`)
      await accessible(page, `${name} ${lang} ${width}`)
      await shot(page, `ondemand-${lang}-${width}-${name}`)
    }
    await page.goto(`${setup.base}/my?lang=${lang}`)
    await seen('number')
    await page.click('main a[href="/get"]')
    await seen('document')
    await page.fill('#number', person.number)
    await page.click('main button[type=submit]')
    await page.waitForSelector('#code')
    await seen('code')
    await page.fill('#code', await page.innerText('#specimen-code strong:last-child'))
    await page.fill('#day', person.day)
    await page.fill('#month', person.month)
    await page.fill('#year', person.year)
    await page.click('main button[type=submit]')
    await page.waitForSelector('.holder')
    assert.equal(new URL(page.url()).pathname, '/my/certificates')
    assert.equal(await page.getAttribute('html', 'lang'), lang)
    assert.match(await page.innerText('main'), new RegExp(person.name))
    await seen('list')
    await page.click('.holder__open >> nth=0')
    await page.waitForSelector('.qr')
    await seen('certificate')
    assert.equal(await page.$$eval('input[name=language]', (all) => all.filter((x) => x.checked).length), 3)
    await page.uncheck('#language-ta')
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('form[action$="/pdf"] button')])
    assert.match(download.url(), /language=si&language=en$/)
    unproblematic(page, `on demand in ${lang}`)
    for (const r of page.requests) assert.ok(!r.includes(person.number), r)
    await page.context().close()
  }
})
