const repeated = (byte: number, times: number) => new Uint8Array(times).fill(byte);
const text = (content: string) => new TextEncoder().encode(content);

/** Examples of FIPS 180-4, its long message, and NIST's additional ones for SHA-256. */
export const SHA256_VECTORS: readonly (readonly [
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  digest: string,
])[] = [
  ['nothing', text(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', text('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'two blocks',
    text('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'),
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'two full blocks',
    text(
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    ),
    'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
  ],
  [
    'a million a',
    repeated(0x61, 1_000_000),
    'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
  ],
  [
    'one byte',
    Uint8Array.of(0xbd),
    '68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b',
  ],
  [
    'four bytes',
    Uint8Array.of(0xc9, 0x8c, 0x8e, 0x55),
    '7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504',
  ],
  ['55 zeros', repeated(0, 55), '02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7'],
  ['56 zeros', repeated(0, 56), 'd4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb'],
  ['57 zeros', repeated(0, 57), '65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785'],
  ['64 zeros', repeated(0, 64), 'f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b'],
  [
    '1,000 zeros',
    repeated(0, 1_000),
    '541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53',
  ],
  [
    '1,000 A',
    repeated(0x41, 1_000),
    'c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4',
  ],
  [
    '1,005 U',
    repeated(0x55, 1_005),
    'f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0',
  ],
  [
    'a million zeros',
    repeated(0, 1_000_000),
    'd29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025',
  ],
];
