// Evaluates CertLogic expressions with certlogic-js.
//
// stdin: {"data", "expressions": […]}
// stdout: [{"value"} or {"open": true}, …]; a time is {"time": milliseconds}
import certlogic from 'certlogic-js';
import {readFileSync} from 'node:fs';

const {data, expressions} = JSON.parse(readFileSync(0, 'utf8'));
const plain = v => v instanceof Date ? {time: v.getTime()} : Array.isArray(v) ? v.map(plain) : v;
console.log(JSON.stringify(expressions.map(e => {
  try {
    return {value: plain(certlogic.evaluate(e, data))};
  } catch {
    return {open: true};
  }
})));
