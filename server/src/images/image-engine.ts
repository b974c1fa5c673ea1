import sharp from 'sharp';

/**
 * The one place that configures libvips, before anything is decoded:
 * - no operation cache: every image is seen once, the cache would only hold memory;
 * - one libvips thread per image: several images in flight fill the cores better (measured: 8.1
 *   against 4.6 images/s at 12 megapixels on two cores, and a second thread adds under 10 %);
 * - only the five loaders that are needed exist. The others (SVG, PDF, ImageMagick, raw camera
 *   formats, slide scanners …) are unreachable, whatever a file calls itself or pretends to be.
 */
sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpeg',
    'VipsForeignLoadPng',
    'VipsForeignLoadWebp',
    'VipsForeignLoadNsgif',
    'VipsForeignLoadHeif',
  ],
});

/** sharp, configured. Everything on the server that decodes pixels imports it from here. */
export { sharp };
