// Reads a JSON array of FHIR resources from the standard input and writes, for
// each, what the package fhir (R4 profiles of the specification) finds wrong.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const { Fhir } = createRequire(import.meta.url)('fhir')
const fhir = new Fhir()
const answers = JSON.parse(readFileSync(0, 'utf8')).map((resource) => {
  const { valid, messages } = fhir.validate(resource, { errorOnUnexpected: true })
  return { valid, messages: messages.map((m) => `${m.severity} ${m.location}: ${m.message}`) }
})
process.stdout.write(JSON.stringify(answers))
