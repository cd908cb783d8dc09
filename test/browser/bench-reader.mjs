// The decoder of the page, as it uses it: how long a camera's frame takes, with a
// code and without, and which of the harmed pictures are read, as one frame and as a
// file. Prints JSON.
import { assert, newPage, setup, withBrowser } from './lib.mjs'

await withBrowser(async (browser) => {
  const page = await newPage(browser, { serviceWorkers: 'block' })
  await page.route('**/pictures/*', (route) => route.fulfill({ path: `${setup.pictures}/${new URL(route.request().url()).pathname.split('/').pop()}` }))
  await page.goto(`${setup.base}/verify`)
  await page.evaluate(async () => {
    const config = JSON.parse(document.getElementById('verifier').dataset.config)
    const reader = await import(config.reader)
    await reader.prepare(config.readerWasm)
    const canvas = document.createElement('canvas')
    const context = canvas.getContext('2d', { willReadFrequently: true })
    const plain = /^[\x20-\x7e]+$/
    globalThis.picture = async (name) => createImageBitmap(await (await fetch(`/pictures/${name}`)).blob())
    globalThis.read = async (source, quick, shift = 0) => { // as codes.js does
      canvas.width = source.width
      canvas.height = source.height
      context.fillStyle = '#fff'
      context.fillRect(0, 0, canvas.width, canvas.height)
      context.drawImage(source, shift, 0, canvas.width, canvas.height)
      const found = await reader.read(context.getImageData(0, 0, canvas.width, canvas.height), quick)
      return found.map((f) => f.text).filter((t) => plain.test(t))
    }
  })
  const frames = {}
  for (const f of setup.frames) {
    const { took, texts } = await page.evaluate(async (file) => {
      const source = await globalThis.picture(file)
      const took = []
      const texts = []
      for (let i = 0; i < 110; i++) {
        const before = performance.now()
        const found = await globalThis.read(source, true, i % 5)
        if (i >= 10) { took.push(performance.now() - before); texts.push(...found) }
      }
      return { took: took.sort((a, b) => a - b), texts }
    }, f.file)
    assert.ok(texts.every((t) => t === setup.texts[f.text]), `${f.file}: another text was read`)
    frames[f.file] = { P50: took[50], P95: took[95], Read: texts.length }
  }
  const read = []
  for (const p of setup.harmed) {
    read.push(await page.evaluate(async ({ file, text }) => {
      const source = await globalThis.picture(file)
      const good = async (quick) => { const found = await globalThis.read(source, quick); return found.length === 1 && found[0] === text }
      return { Frame: await good(true), File: await good(false) }
    }, { file: p.file, text: setup.texts[p.text] }))
  }
  console.log(JSON.stringify({ Frames: frames, Read: read }))
})
