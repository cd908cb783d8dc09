// An operator's SMSC: it takes messages by SMPP, says on standard output what it
// got, one JSON a line, and sends receipts. Lines on standard input tell it how to
// behave: "throttle N" refuses the next N, "drop" ends every link, "fail" has the
// next message fail.
import readline from 'node:readline';
import smpp from 'smpp';

let throttle = 0;
let fail = 0;
let next = 0;
const sessions = new Set();
const say = (line) => console.log(JSON.stringify(line));

const server = smpp.createServer((session) => {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  session.on('error', () => sessions.delete(session));
  const bound = (pdu) => {
    const ok = pdu.system_id === 'divoc' && pdu.password === 'secret';
    session.send(pdu.response({ command_status: ok ? smpp.ESME_ROK : smpp.ESME_RBINDFAIL }));
    say({ bound: ok });
  };
  session.on('bind_transceiver', bound);
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('deliver_sm_resp', () => {});
  session.on('submit_sm', (pdu) => {
    if (throttle > 0) {
      throttle -= 1;
      say({ throttled: true });
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    next += 1;
    const id = `m${next}`;
    const message = pdu.short_message.message;
    const udh = pdu.short_message.udh;
    say({
      to: pdu.destination_addr, from: pdu.source_addr, coding: pdu.data_coding,
      text: Buffer.isBuffer(message) ? message.toString('latin1') : message,
      part: udh ? Buffer.from(Array.isArray(udh) ? udh[0] : udh).toString('hex') : '',
    });
    session.send(pdu.response({ message_id: id }));
    const stat = fail > 0 ? 'UNDELIV' : 'DELIVRD';
    fail = Math.max(0, fail - 1);
    setTimeout(() => session.deliver_sm({
      esm_class: 4, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
      receipted_message_id: id, message_state: stat === 'DELIVRD' ? 2 : 5,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611221200 done date:2611221200 stat:${stat} err:000 text:`,
    }), 50);
  });
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, n] = line.split(' ');
  if (word === 'throttle') throttle = Number(n);
  if (word === 'fail') fail = 1;
  if (word === 'drop') for (const s of sessions) s.destroy();
}).on('close', () => process.exit(0));
