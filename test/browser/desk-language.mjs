// Staff say in which language a person is written to, by keyboard, and it stays so.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  for (const [width, from, to] of [[360, '', 'ta'], [1280, 'ta', 'si']]) {
    const page = await newPage(browser, { width, height: 800 })
    const look = async (what) => {
      await accessible(page, `${what} ${width}`)
      await fits(page, `${what} ${width}`)
      await shot(page, `desk-language-${width}-${what}`)
    }
    const focus = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent.trim())
    const tabTo = async (what) => {
      for (let i = 0; i < 60; i++) {
        if (await focus() === what) return
        await page.keyboard.press('Tab')
      }
      assert.fail(`${what} cannot be reached by keyboard`)
    }
    const enter = async () => { await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]) }
    const open = async () => {
      await page.goto(`${setup.base}/desk`)
      await page.keyboard.insertText(setup.text)
      await enter()
      assert.match(page.url(), /\/desk\/record\//)
    }
    await page.goto(`${setup.base}/sign-in?to=%2Fdesk&lang=en`)
    await page.focus('form[action="/sign-in/demo"]:has(input[value="facility-staff"]) button')
    await enter()
    await open()
    assert.ok(!await page.isVisible('#speaks'), 'it is shown before somebody wants it')
    await tabTo('Language of messages')
    await page.keyboard.press('Enter')
    assert.equal(await page.inputValue('#speaks'), from)
    assert.deepEqual(await page.$$eval('#speaks option', (all) => all.map((o) => o.value)), [...from ? [] : [''], 'si', 'ta', 'en'])
    assert.ok(await page.$$eval('#speaks option', (all) => all.every((o) => !o.value || o.lang === o.value)), 'the names of languages are in none')
    await look('form')
    await tabTo('speaks')
    await page.selectOption('#speaks', to)
    await tabTo('Save the language')
    await enter()
    assert.match(await page.innerText('[role=status]'), /in the language that was chosen/)
    assert.ok(await page.$eval('#done', (e) => e.getBoundingClientRect().bottom <= innerHeight), 'what was done is out of sight')
    await look('saved')
    // It stays, for whoever opens the record next.
    await open()
    assert.equal(await page.inputValue('#speaks'), to)
    unproblematic(page, `the language at ${width}`)
    await page.context().close()
  }
})
