// Verifies an EU DCC of ours with dcc-utils, given only the signer certificate, and
// asks it a rule.
//
// stdin: {"text", "certificate": PEM, "rule"}
// stdout: {"verified", "error", "payload", "passed"}
import dccUtils from 'dcc-utils';
import {readFileSync} from 'node:fs';

const {DCC, Rule} = dccUtils;
const {text, certificate, rule} = JSON.parse(readFileSync(0, 'utf8'));
const log = console.log;
console.log = () => {};
let result;
try {
  const dcc = await DCC.fromRaw(text);
  const ok = await dcc.checkSignatureWithCertificate(certificate);
  result = {verified: Boolean(ok), payload: dcc.payload, passed: Rule.fromJSON(rule).evaluateDCC(dcc)};
} catch(e) {
  result = {verified: false, error: e.message};
}
log(JSON.stringify(result));
