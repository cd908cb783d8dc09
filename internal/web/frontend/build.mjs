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

files.set('app.css', Buffer.from(sass.compile(path.join(here, 'src/app.scss'), {
  style: 'compressed', loadPaths: [modules], quietDeps: true,
}).css))

const bundled = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ['src/app.js', 'src/verify.js', 'src/reader.js', 'src/live.js', 'src/signin.js', 'src/desk.js', 'src/scan.js', 'src/worker.js'],
  bundle: true, minify: true, format: 'esm', target: 'es2020', legalComments: 'none',
  write: false, outdir: 'out', logLevel: 'warning',
})
for (const f of bundled.outputFiles) files.set(path.basename(f.path), Buffer.from(f.contents))

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
