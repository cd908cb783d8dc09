// A facility's desk with a camera: the code of a certificate opens the record, the
// barcode of an enrolment code finds the person; without a camera nothing is offered.
import { accessible, assert, fits, newPage, setup, shot, unproblematic, withBrowser } from './lib.mjs'

const fake = (film) => ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', ...(film ? [`--use-file-for-fake-video-capture=${film}`] : [])]

async function desk(browser, width) {
  const page = await newPage(browser, { width, height: 800 })
  await page.goto(`${setup.base}/sign-in?to=%2Fdesk&lang=en`)
  await Promise.all([page.waitForNavigation(), page.click('form[action="/sign-in/demo"]:has(input[value="facility-staff"]) button')])
  return page
}

for (const width of [360, 1280]) {
  await withBrowser(async (browser) => {
    const page = await desk(browser, width)
    await page.waitForSelector('#camera:not([hidden])')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'text', 'the field keeps the focus')
    await accessible(page, `desk with a camera ${width}`)
    await fits(page, `desk with a camera ${width}`)
    await shot(page, `desk-camera-${width}`)
    const began = Date.now()
    await page.focus('#camera-start')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/desk\/record\//)
    console.log(`from the button to the record: ${Date.now() - began} ms`)
    assert.equal(await page.innerText('h1'), setup.name)
    unproblematic(page, 'the camera at the desk')
  }, fake(setup.camera))

  await withBrowser(async (browser) => {
    const page = await desk(browser, width)
    await page.waitForSelector('#camera:not([hidden])')
    await page.click('#camera-start')
    await page.waitForURL(/\/desk\/found\//)
    assert.match(await page.innerText('main'), /M\. ?A|M\.|1987/)
    await shot(page, `desk-camera-found-${width}`)
    unproblematic(page, 'a barcode at the desk')
  }, fake(setup.barcode))
}

// A camera that sees nothing says what to do and is stopped by keyboard.
await withBrowser(async (browser) => {
  const page = await desk(browser, 360)
  await page.waitForSelector('#camera:not([hidden])')
  await page.click('#camera-start')
  await page.waitForSelector('#camera-view:not([hidden])')
  assert.match(await page.innerText('#camera-say[role=status]'), /in front of the camera/)
  assert.equal(await page.evaluate(() => document.activeElement.id), 'camera-stop')
  await accessible(page, 'a running camera at the desk')
  await fits(page, 'a running camera at the desk')
  await shot(page, 'desk-camera-running')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#camera-start:not([hidden])')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'camera-start')
  assert.equal(await page.evaluate(() => document.getElementById('camera-video').srcObject), null)
  unproblematic(page, 'a camera that sees nothing')
}, fake())

// Without a camera the desk is as it was; one that is refused is told.
await withBrowser(async (browser) => {
  const page = await desk(browser, 1280)
  await page.waitForLoadState('networkidle')
  assert.ok(await page.isHidden('#camera'), 'a camera is offered where there is none')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text')
  unproblematic(page, 'no camera')
})
await withBrowser(async (browser) => {
  const page = await desk(browser, 360)
  await page.waitForSelector('#camera:not([hidden])')
  await page.click('#camera-start')
  await page.waitForFunction(() => /may not use the camera/.test(document.getElementById('camera-say').textContent))
  assert.equal(await page.evaluate(() => document.activeElement.id), 'camera-start')
  unproblematic(page, 'a refused camera')
}, ['--use-fake-device-for-media-stream', '--deny-permission-prompts'])
