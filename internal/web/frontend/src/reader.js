// Reads codes with zxing-wasm: in browsers that cannot themselves, in files, and
// where the exact bytes count. Loaded when first needed.
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'

/** Says where the WebAssembly is, and loads it. */
export function prepare(wasm) {
  return prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true })
}

/**
 * Finds codes of some formats in pixels. Quick is for one of many camera frames;
 * otherwise the search is thorough and finds several.
 * @returns {Promise<Array<{text: string, bytes: Uint8Array}>>}
 */
export async function read(image, quick, formats = ['QRCode']) {
  const found = await readBarcodes(image, {
    formats, tryHarder: true, tryRotate: !quick || formats.length > 1, tryInvert: !quick, tryDownscale: true, maxNumberOfSymbols: quick ? 1 : 8,
  })
  return found.filter((f) => f.isValid).map((f) => ({ text: f.text, bytes: f.bytes }))
}
