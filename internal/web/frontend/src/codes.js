// Finds the codes in a camera frame or a file, and gives what each says: text,
// or bytes where a code holds something else than plain text.

const maxSide = 3000 // pixels of a picture, the longer side
const pageSide = 2200 // pixels of a PDF page as drawn, the longer side
const maxPages = 20
const maxTime = 20_000 // ms for one PDF

/** A file that cannot be used; key names the text that says why. */
export class Unusable extends Error {
  constructor(key) { super(key); this.key = key }
}

export class Codes {
  #config
  #reader // promise of the module
  #own // the browser's own detector
  #canvas = document.createElement('canvas')

  constructor(config) { this.#config = config }

  /** Loads what scanning needs, so that it works without a network later. */
  async prepare() {
    this.#own ??= await ownDetector(this.#config.formats)
    await this.#load()
  }

  #load() {
    this.#reader ??= import(this.#config.reader).then(async (m) => { await m.prepare(this.#config.readerWasm); return m })
    this.#reader.catch(() => { this.#reader = undefined })
    return this.#reader
  }

  /** The first code in a frame of the video, or undefined. */
  async inFrame(video) {
    if (this.#own) {
      try {
        const [found] = await this.#own.detect(video)
        if (!found) return undefined
        if (isPlain(found.rawValue)) return found.rawValue
        // Not plain text: read it again for its exact bytes.
      } catch { this.#own = undefined }
    }
    const scale = Math.min(1, 1280 / Math.max(video.videoWidth, video.videoHeight))
    const [found] = await this.#read(video, video.videoWidth * scale, video.videoHeight * scale, true)
    return found
  }

  /** Every code in a picture, a PDF or a text file. */
  async inFile(file) {
    const data = new Uint8Array(await file.arrayBuffer())
    if (startsWith(data, '%PDF-')) return this.#inPDF(data)
    if (isPicture(data) || file.type.startsWith('image/')) return this.#inPicture(file)
    try {
      return [new TextDecoder('utf-8', { fatal: true }).decode(data)]
    } catch {
      if (startsWith(data, 'PK')) return [data] // the compressed credential of some codes
      throw new Unusable('verify.unreadable')
    }
  }

  async #inPicture(file) {
    let picture
    try { picture = await createImageBitmap(file) } catch { throw new Unusable('verify.unreadable') }
    const scale = Math.min(1, maxSide / Math.max(picture.width, picture.height))
    const found = await this.#read(picture, picture.width * scale, picture.height * scale)
    picture.close()
    if (found.length === 0) throw new Unusable('verify.nocode')
    return found
  }

  async #inPDF(data) {
    let pdf
    try { pdf = await import(this.#config.pdf) } catch { throw new Unusable('verify.offline') }
    pdf.GlobalWorkerOptions.workerSrc = this.#config.pdfWorker
    const end = Date.now() + maxTime
    const found = new Map()
    const task = pdf.getDocument({ data, disableFontFace: true, isEvalSupported: false, useSystemFonts: false, enableXfa: false, useWasm: false })
    const stop = setTimeout(() => task.destroy(), maxTime)
    try {
      const doc = await task.promise
      for (let n = 1; n <= Math.min(doc.numPages, maxPages) && Date.now() < end; n++) {
        const page = await doc.getPage(n)
        const plain = page.getViewport({ scale: 1 })
        const viewport = page.getViewport({ scale: pageSide / Math.max(plain.width, plain.height) })
        const canvas = document.createElement('canvas')
        canvas.width = viewport.width
        canvas.height = viewport.height
        await page.render({ canvas, viewport, annotationMode: pdf.AnnotationMode.DISABLE }).promise
        for (const code of await this.#read(canvas, canvas.width, canvas.height)) found.set(String(code), code)
      }
    } catch (e) {
      if (found.size === 0) throw new Unusable('verify.unreadable')
    } finally {
      clearTimeout(stop)
      await task.destroy()
    }
    if (found.size === 0) throw new Unusable('verify.nocode')
    return [...found.values()]
  }

  async #read(source, width, height, quick) {
    const reader = await this.#load()
    const canvas = this.#canvas
    canvas.width = Math.max(1, Math.round(width))
    canvas.height = Math.max(1, Math.round(height))
    const context = canvas.getContext('2d', { willReadFrequently: true })
    context.fillStyle = '#fff' // a picture may be transparent
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.drawImage(source, 0, 0, canvas.width, canvas.height)
    const found = await reader.read(context.getImageData(0, 0, canvas.width, canvas.height), quick, this.#config.formats)
    return found.map((f) => (isPlain(f.text) ? f.text : f.bytes))
  }
}

// What browsers call the formats that the page may ask for.
const native = { QRCode: 'qr_code', Code128: 'code_128', Code39: 'code_39', ITF: 'itf', EAN13: 'ean_13', DataMatrix: 'data_matrix' }

async function ownDetector(wanted = ['QRCode']) {
  try {
    const known = await globalThis.BarcodeDetector?.getSupportedFormats() ?? []
    const formats = wanted.map((f) => native[f])
    return formats.every((f) => known.includes(f)) ? new globalThis.BarcodeDetector({ formats }) : undefined
  } catch { return undefined }
}

const isPlain = (text) => /^[\x20-\x7e\r\n\t]+$/.test(text) && !text.startsWith('PK')
const startsWith = (data, text) => [...text].every((c, i) => data[i] === c.charCodeAt(0))
const isPicture = (d) => startsWith(d, '\x89PNG') || (d[0] === 0xff && d[1] === 0xd8) || startsWith(d, 'RIFF') || startsWith(d, 'GIF8')
