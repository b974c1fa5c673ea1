/**
 * A folder of 10,000 small pictures on the demo page, which go in packs, as a strip of screenshots:
 *
 *   npm run screenshots:packs
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { launchBrowser, openDemo, part } from '../e2e/demo-browser.ts';
import { buildDemo, DemoServer } from '../e2e/demo-server.ts';

const OUT = path.resolve(import.meta.dirname, '../../docs/images/packs-10000.png');
const PICTURES = 10_000;
const PER_FOLDER = 500;
/** Of all, uploaded: when a picture is taken. */
const MOMENTS = [0.02, 0.2, 0.4, 0.6, 0.8, 1];
const FRAME = { width: 900, height: 560 };
const GAP = 12;

const dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-strip-'));
const folder = path.join(dir, 'stickers');
for (let at = 0; at < PICTURES; at += 1) {
  const below = path.join(folder, `set ${Math.floor(at / PER_FOLDER) + 1}`);
  if (at % PER_FOLDER === 0) await mkdir(below, { recursive: true });
  await writeFile(
    path.join(below, `sticker-${String(at).padStart(5, '0')}.png`),
    await sticker(at),
  );
}
await buildDemo();
const server = await DemoServer.start({ env: {} });
const browser = await launchBrowser();
try {
  const { page } = await openDemo(browser, server.pageUrl);
  let packs = 0;
  let puts = 0;
  page.on('request', (request) => {
    if (request.url().includes('/api/upload-pack')) packs += 1;
    if (request.method() === 'PUT') puts += 1;
  });
  await page.setViewportSize(FRAME);
  await page.emulateMedia({ colorScheme: 'light' });
  const startMs = performance.now();
  await page.setInputFiles(part('folder-input'), folder);
  const frames: Buffer[] = [];
  for (const share of MOMENTS) {
    await page.waitForFunction(
      (least) => (window.bulkhead?.uploader.getSnapshot().uploaded ?? 0) >= least,
      PICTURES * share,
      { timeout: 600_000, polling: 50 },
    );
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    frames.push(await page.screenshot());
    console.log(`${seconds} s: ${share * 100} % uploaded, ${packs} packs, ${puts} PUTs`);
  }
  await writeStrip(frames);
} finally {
  await browser.close();
  await server.remove();
  await rm(dir, { recursive: true, force: true });
}

/** A picture like no other, of about 4 KB. */
function sticker(at: number): Promise<Buffer> {
  const hue = (at * 47) % 360;
  const circles = Array.from({ length: 5 }, (_, index) => {
    const angle = ((at * 13 + index * 72) * Math.PI) / 180;
    const [x, y] = [48 + Math.cos(angle) * 26, 48 + Math.sin(angle) * 26];
    return `<circle cx="${x}" cy="${y}" r="${10 + ((at + index) % 9)}" fill="hsl(${hue + index * 40} 70% 60%)"/>`;
  });
  const text = `<text x="48" y="54" font-size="18" text-anchor="middle" font-family="sans-serif">${at}</text>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96">${circles.join('')}${text}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

/** Two frames a row, in their order. */
async function writeStrip(frames: readonly Buffer[]): Promise<void> {
  const columns = 2;
  const rows = Math.ceil(frames.length / columns);
  const width = columns * FRAME.width + (columns + 1) * GAP;
  const height = rows * FRAME.height + (rows + 1) * GAP;
  await sharp({ create: { width, height, channels: 3, background: '#9aa4b2' } })
    .composite(
      frames.map((input, index) => ({
        input,
        left: GAP + (index % columns) * (FRAME.width + GAP),
        top: GAP + Math.floor(index / columns) * (FRAME.height + GAP),
      })),
    )
    .png({ palette: true })
    .toFile(OUT);
  console.log(OUT);
}
