import type { ImageFormat, Random } from './image.ts';

const FOLDERS = [
  '2023/06 Lisbon',
  '2023/08 Familie am See',
  '2023/12 Christmas',
  '2024/03 Kyōto',
  '2024/05 Garden & house',
  '2024/09 Été à Nîmes',
  'Phone/DCIM/100APPLE',
  'Phone/DCIM/101APPLE',
  'Phone/Screenshots',
  'Scans',
] as const;

const EXTENSIONS = {
  jpeg: ['.jpg', '.jpg', '.JPG', '.jpeg'],
  png: ['.png', '.png', '.PNG'],
  webp: ['.webp'],
} as const satisfies Record<ImageFormat, readonly string[]>;

/**
 * Where an image lies below the set's folder, `/` between the parts: the folders and names that
 * cameras, phones and people give. The index keeps it unique.
 */
export function nameImage(index: number, format: ImageFormat, random: Random): string {
  const extensions = EXTENSIONS[format];
  const extension = extensions[Math.floor(random() * extensions.length)] ?? extensions[0];
  const folder = FOLDERS[Math.floor(random() * FOLDERS.length)] ?? FOLDERS[0];
  const number = String(index).padStart(5, '0');
  const day = String(1 + (index % 28)).padStart(2, '0');
  const names = [
    `IMG_${number}`,
    `DSC${number}`,
    `PXL_202405${day}_${number}`,
    `Screenshot 2024-05-${day} (${number})`,
    `geburtstag größe ${number}`,
    `photo #${number} 100%`,
  ];
  return `${folder}/${names[Math.floor(random() * names.length)] ?? names[0]}${extension}`;
}
