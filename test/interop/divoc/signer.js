// Runs DIVOC's published signer, unchanged, as a process of its own. It reads
// one job as JSON from standard input and writes the answer as JSON:
//
//   {keyType, did, publicKeyPem, privateKeyPem, publicKeyBase58, privateKeyBase58,
//    sign: [credential…], verify: [credential…], open: [code…], rounds: n}
//   {signed: [credential…], verified: [bool…], codes: [{size, modules, text}…],
//    opened: [credential…], signPerSecond, verifyPerSecond}
//
// open holds texts of codes as a scanner gives them; opened what DIVOC's
// verifying page takes out of each.
'use strict';

// The library prints every certificate to standard output.
console.log = console.info = () => {};

const {readFileSync} = require('node:fs');
const {join} = require('node:path');
const signer = require('certificate-signer-library');
const {vaccinationContext, vaccinationContextV2} = require('vaccination-context');
const JSZip = require('jszip');
const QRCode = require('qrcode');
// DIVOC publishes its context of tests as source alone; this states the same terms.
const testContext = JSON.parse(readFileSync(join(__dirname, '../../../credential/divocqr/testdata/test-v1.jsonld')));

// As the verifier of the browser makes it: the bytes of the ZIP as a string.
async function code(credential) {
  const zip = new JSZip();
  zip.file('certificate.json', JSON.stringify(credential), {compression: 'DEFLATE'});
  const bytes = await zip.generateAsync({type: 'string', compression: 'DEFLATE'});
  const {modules} = QRCode.create(bytes, {errorCorrectionLevel: 'M'});
  return {size: modules.size, modules: Array.from(modules.data, b => (b ? '1' : '0')).join(''), text: bytes};
}

// As DIVOC's verifying page reads what was scanned.
async function open(text) {
  const zip = await JSZip.loadAsync(text);
  return JSON.parse(await zip.files['certificate.json'].async('text'));
}

async function perSecond(rounds, f) {
  await f(0); // warm
  const start = process.cpuUsage();
  for (let i = 0; i < rounds; i++) await f(i);
  const used = process.cpuUsage(start);
  return rounds / ((used.user + used.system) / 1e6); // of one core's time
}

async function main() {
  let input = '';
  for await (const chunk of process.stdin) input += chunk;
  const job = JSON.parse(input);
  await signer.init_signer({
    ...job, CERTIFICATE_DID: job.did || 'did:india', CERTIFICATE_CONTROLLER_ID: 'https://divoc.example/', CERTIFICATE_PUBKEY_ID: 'https://divoc.example/key',
    REDIS_ENABLED: false,
  }, null, {
    'https://divoc.dev/credentials/vaccination/v1': vaccinationContext,
    'https://cowin.gov.in/credentials/vaccination/v1': vaccinationContext,
    'https://cowin.gov.in/credentials/vaccination/v2': vaccinationContextV2,
    'https://cowin.gov.in/credentials/testCertificate/v1': testContext,
  });
  const copy = credential => JSON.parse(JSON.stringify(credential)); // the library writes into its argument
  const answer = {signed: [], verified: [], codes: [], opened: []};
  for (const credential of job.sign || []) {
    const signed = await signer.signJSON(copy(credential));
    answer.signed.push(signed);
    answer.codes.push(await code(signed));
  }
  answer.opened = await Promise.all((job.open || []).map(open));
  for (const credential of (job.verify || []).concat(answer.opened)) {
    // It throws where a date or an issuer has no form at all.
    const result = await signer.verifyJSON(copy(credential)).catch(() => ({verified: false}));
    answer.verified.push(result.verified);
  }
  if (job.rounds) {
    const [credential] = job.sign;
    const signed = answer.signed[0];
    answer.signPerSecond = await perSecond(job.rounds, () => signer.signJSON(copy(credential)));
    answer.verifyPerSecond = await perSecond(job.rounds, () => signer.verifyJSON(copy(signed)));
  }
  process.stdout.write(JSON.stringify(answer));
}

main().catch(err => { process.stderr.write(String(err.stack || err) + '\n'); process.exit(1); });
