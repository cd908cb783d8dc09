// A facility's desk: a scanned code to a numbered print, a search by number with a
// second fact, a dose by form that survives a reload, slips without a network.
// Without a mouse.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  for (const width of [360, 1280]) {
    const page = await newPage(browser, { width, height: 800 })
    const name = (what) => `desk-${what}-${width}`
    const look = async (what) => {
      await accessible(page, name(what))
      await fits(page, name(what))
      await shot(page, name(what))
    }
    const focus = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent.trim())
    const tabTo = async (what) => {
      for (let i = 0; i < 60; i++) {
        const at = await focus()
        if (typeof what === 'string' ? at === what : what.test(at)) return
        await page.keyboard.press('Tab')
      }
      assert.fail(`${what} cannot be reached by keyboard`)
    }
    const enter = async () => { await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]) }

    await page.goto(`${setup.base}/desk?lang=en`)
    assert.match(page.url(), /\/sign-in/)
    await page.goto(`${setup.base}/sign-in?to=%2Fdesk&lang=en`)
    await page.focus('form[action="/sign-in/demo"]:has(input[value="facility-staff"]) button')
    await enter()
    assert.equal(new URL(page.url()).pathname, '/desk')

    // The field has the focus: what a scanner types goes into it, with its Enter.
    assert.equal(await focus(), 'text')
    await look('start')
    await page.keyboard.insertText(setup.text)
    await enter()
    assert.match(page.url(), /\/desk\/record\/[\w-]{22}$/)
    assert.equal(await page.innerText('h1'), setup.name)
    assert.ok(!page.url().includes(setup.name))
    await look('record')
    const record = page.url()
    await tabTo('Print')
    await enter()
    assert.match(await page.innerText('main'), /Copy \d+, number \d+/)
    await look('printed')
    const file = await page.request.get(new URL(await page.getAttribute('#file', 'href'), setup.base).href)
    assert.equal(file.headers()['content-type'], 'application/pdf')
    await page.goto(record) // a reload finds it
    assert.equal(await page.innerText('h1'), setup.name)
    await page.goto(`${setup.base}/desk/prints`)
    await look('prints')
    await tabTo(/^Print again/)
    await enter()
    assert.match(await page.innerText('main'), /Copy \d+, number \d+/)

    // A dose by form: what was typed is there after a reload.
    await page.goto(`${setup.base}/desk/dose`)
    await look('dose')
    await tabTo('name')
    await page.keyboard.insertText(`Marcia Specimen ${width}`)
    const kept = page.waitForResponse((r) => r.request().method() === 'POST' && r.status() === 204)
    await page.keyboard.press('Tab')
    await kept
    await page.reload()
    assert.equal(await page.inputValue('#name'), `Marcia Specimen ${width}`)
    await tabTo('Register and issue')
    await enter()
    await page.waitForSelector('.govuk-error-summary')
    await look('dose-faults')
    for (const [field, value] of Object.entries({ 'birthDate': '3', 'birthDate-month': '2', 'birthDate-year': '1990', 'phone': `876555${width === 360 ? '0361' : '1280'}`, 'dose': '1', 'date': '1', 'date-month': '6', 'date-year': '2021', 'lot': 'ABX1' })) await page.fill(`#${field}`, value)
    await page.selectOption('#sex', 'female')
    await page.selectOption('#product', { index: 1 })
    await tabTo('Register and issue')
    await enter()
    assert.equal(await page.innerText('h1'), `Marcia Specimen ${width}`)

    // Found by the number alone the person is masked, and opens with a second fact.
    await page.goto(`${setup.base}/desk`)
    await page.keyboard.insertText(`876 555 ${width === 360 ? '0361' : '1280'}`)
    await enter()
    assert.match(page.url(), /\/desk\/found\/[\w-]{22}$/)
    assert.ok(!(await page.innerText('main')).includes('Marcia'))
    await look('found')
    await tabTo(/^value-/)
    await page.keyboard.insertText('4/2/1990')
    await enter()
    await page.waitForSelector('.govuk-error-summary')
    await tabTo(/^value-/)
    await page.keyboard.press('Control+A')
    await page.keyboard.insertText('3/2/1990')
    await enter()
    assert.equal(await page.innerText('h1'), `Marcia Specimen ${width}`)
    if (await page.locator('a[href$="/correction"]').count()) {
      await page.goto(page.url() + '/correction')
      await look('correction')
    }

    // Without a network there are slips; the list is sent when it is back.
    await page.goto(`${setup.base}/desk/slip`)
    await page.evaluate(() => { globalThis.print = () => {} })
    await page.context().setOffline(true)
    await tabTo('slip-text')
    await page.keyboard.insertText('8765550361')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#slip-paper:not([hidden])')
    const reference = await page.innerText('#slip-reference')
    assert.match(reference, /^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
    await look('slip')
    await page.click('#slip-send button')
    await page.waitForFunction(() => /no network/.test(document.getElementById('slip-say').textContent))
    await page.context().setOffline(false)
    await Promise.all([page.waitForURL(`${setup.base}/desk`), page.click('#slip-send button')])
    assert.ok((await page.innerText('main')).includes(reference))
    await look('later')
    assert.equal(await page.evaluate(() => sessionStorage.getItem('desk-slips')), '[]')

    // Who signs out leaves nothing.
    await page.focus('form[action="/sign-out"] button')
    await enter()
    assert.equal(await page.evaluate(() => sessionStorage.getItem('desk-slips')), null)
    await page.goto(record)
    assert.match(page.url(), /\/sign-in/)
    page.problems = page.problems.filter((p) => !/status of 422/.test(p)) // forms that were refused
    unproblematic(page, name('all'))
    await page.context().close()
  }
})
