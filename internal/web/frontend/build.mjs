// Builds the front end into ../assets/dist: every file compressed twice (.br,
// .gz) and never plain, because the server only sends them so. Also copies the
// fonts of the certificates to internal/render/fonts.
//
// Run again, it changes nothing: compressed files are kept by content in
// node_modules/.cache.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import esbuild from 'esbuild'
import * as sass from 'sass'

const here = import.meta.dirname
const root = path.join(here, '../../..')
const dist = path.join(here, '../assets/dist')
const cache = path.join(here, 'node_modules/.cache/divoc')
const modules = path.join(here, 'node_modules')
const fromModule = (...p) => readFileSync(path.join(modules, ...p))
const budget = { 'app.css': 14_000, 'app.js': 6_000, 'verify.js': 12_000, 'signin.js': 3_000, 'desk.js': 3_000, 'scan.js': 4_000 } // bytes with brotli

const files = new Map() // name -> Buffer

files.set('app.css', Buffer.from(logical(sass.compile(path.join(here, 'src/app.scss'), {
  style: 'compressed', loadPaths: [modules], quietDeps: true,
}).css)))

const bundled = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ['src/app.js', 'src/verify.js', 'src/reader.js', 'src/live.js', 'src/signin.js', 'src/desk.js', 'src/scan.js', 'src/worker.js', 'src/embed.js'],
  bundle: true, minify: true, format: 'esm', target: 'es2020', legalComments: 'none',
  write: false, outdir: 'out', logLevel: 'warning',
})
for (const f of bundled.outputFiles) files.set(path.basename(f.path), Buffer.from(f.contents))

// What pages of other sites load keeps its names, and is not bundled.
const shared = await esbuild.transform(readFileSync(path.join(here, 'src/module.mjs'), 'utf8'), { minify: true, format: 'esm', target: 'es2022', legalComments: 'none' })
files.set('verify.mjs', Buffer.from(shared.code))
files.set('verify.d.ts', readFileSync(path.join(here, 'src/verify.d.ts')))

files.set('reader.wasm', fromModule('zxing-wasm/dist/reader/zxing_reader.wasm'))
files.set('pdf.mjs', fromModule('pdfjs-dist/legacy/build/pdf.min.mjs'))
files.set('pdf.worker.mjs', fromModule('pdfjs-dist/legacy/build/pdf.worker.min.mjs'))

// Made by the Makefile from cmd/divoc-wasm and the Go toolchain.
for (const name of ['verifier.wasm', 'wasm_exec.js']) {
  const from = path.join(root, 'bin', name)
  if (existsSync(from)) files.set(name, readFileSync(from))
  else console.warn(`frontend: no bin/${name}: the page will verify on the server only`)
}

mkdirSync(dist, { recursive: true })
mkdirSync(cache, { recursive: true })
const brotli = promisify(zlib.brotliCompress)
const gzip = promisify(zlib.gzip)
const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT, BROTLI_PARAM_LGWIN } = zlib.constants

async function compressed(data, ext) {
  const kept = path.join(cache, createHash('sha256').update(data).digest('hex') + ext)
  if (existsSync(kept)) return readFileSync(kept)
  const out = ext === '.gz'
    ? await gzip(data, { level: 9 })
    : await brotli(data, { params: { [BROTLI_PARAM_QUALITY]: 11, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: data.length } })
  writeFileSync(kept, out)
  return out
}

const wanted = new Set(['.gitkeep'])
await Promise.all([...files].map(async ([name, data]) => {
  for (const ext of ['.br', '.gz']) {
    const out = await compressed(data, ext)
    wanted.add(name + ext)
    writeIfChanged(path.join(dist, name + ext), out)
    if (ext === '.br' && out.length > (budget[name] ?? Infinity)) {
      throw new Error(`frontend: ${name} is ${out.length} bytes with brotli, over its budget of ${budget[name]}`)
    }
  }
}))
for (const name of readdirSync(dist)) if (!wanted.has(name)) rmSync(path.join(dist, name))

const fonts = path.join(root, 'internal/render/fonts')
mkdirSync(fonts, { recursive: true })
for (const [pack, name] of [['noto-sans', 'NotoSans'], ['noto-sans-sinhala', 'NotoSansSinhala'], ['noto-sans-tamil', 'NotoSansTamil']]) {
  for (const [weight, style] of [['400Regular', 'Regular'], ['700Bold', 'Bold']]) {
    writeIfChanged(path.join(fonts, `${name}-${style}.ttf`), fromModule(`@expo-google-fonts/${pack}/${weight}/${name}_${weight}.ttf`))
  }
}

// An unchanged file keeps its time, so that go build has nothing to do.
function writeIfChanged(to, data) {
  if (!existsSync(to) || !readFileSync(to).equals(data)) writeFileSync(to, data)
}

// Sides become beginnings and ends, so that a page in a language that is written
// from right to left stands the other way: govuk-frontend says left and right.
function logical(css) {
  const side = { left: 'start', right: 'end' }
  const out = css
    .replace(/(?<=[;{])(margin|padding)-(left|right)(?=:)/g, (_, box, s) => `${box}-inline-${side[s]}`)
    .replace(/(?<=[;{])border-(left|right)(-width|-style|-color)?(?=:)/g, (_, s, part = '') => `border-inline-${side[s]}${part}`)
    .replace(/(?<=[;{])border-(top|bottom)-(left|right)-radius(?=:)/g, (_, v, s) => `border-${v === 'top' ? 'start' : 'end'}-${side[s]}-radius`)
    .replace(/(?<=[;{])(left|right)(?=:)/g, (_, s) => `inset-inline-${side[s]}`)
    .replace(/(?<=[;{])text-align:(left|right)/g, (_, s) => `text-align:${side[s]}`)
    .replace(/(?<=[;{])float:(left|right)/g, (all, s) => `${all};float:inline-${side[s]}`) // what older browsers do not know they leave out
    .replace(/(?<=[;{])(margin|padding):([^;{}]+)/g, (all, box, value) => {
      const [top, right, bottom, left] = value.match(/(?:[^\s()]|\([^()]*(?:\([^()]*\)[^()]*)*\))+/g)
      return left === undefined || value.includes('!') || left === right ? all : `${box}-block:${top} ${bottom};${box}-inline:${left} ${right}`
    })
  if (!out.includes('margin-inline-start')) throw new Error('frontend: no side was found in the style')
  return out
}
