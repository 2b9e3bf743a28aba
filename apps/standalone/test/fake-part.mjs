// A program that behaves like a part of the platform, or misbehaves: node fake-part.mjs <behaviour> <journal file>
import { appendFileSync } from 'node:fs';

const [behaviour, journal] = process.argv.slice(2);
const note = (what) => appendFileSync(journal, `${process.env.PART_NAME} ${what}\n`);
const say = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);
const ready = () => {
  note('ready');
  say({ level: 'info', event: 'ready', ports: { http: 4711 } });
};

note('started');
setInterval(() => undefined, 1_000);
process.on('SIGTERM', () => {
  note('asked to stop');
  if (behaviour !== 'stubborn') setTimeout(() => process.exit(0), 20);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

if (behaviour === 'refuses') {
  say({ level: 'fatal', event: 'startFailed', msg: 'there is no table to sit at' });
  process.exit(1);
} else if (behaviour === 'never-ready') {
  process.stderr.write('still looking for my glasses\n');
} else {
  ready();
}
if (behaviour === 'crashes-once') process.on('SIGUSR2', () => process.exit(3));
if (behaviour === 'chats') process.stdout.write('what a fine day\n');
if (behaviour === 'warns') say({ level: 'warn', msg: 'rain', err: { message: 'no umbrella' } });
