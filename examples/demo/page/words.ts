import { englishStrings, type UploaderStrings } from 'bulkhead/element';

const english = englishStrings({ one: 'photo', many: 'photos' });

/** The element's words, where this page knows better. */
export const photoWords: Partial<UploaderStrings> = {
  ...english,
  dropTitle: 'Drop photos or folders anywhere',
  dropHint: 'or paste an image.',
  cause(failure) {
    switch (failure.code) {
      case 'file_too_large':
        return {
          what: 'Larger than this library takes.',
          advice: 'Make it smaller, then add it again.',
        };
      case 'unsupported_type':
        return {
          what: 'Not a type this library takes.',
          advice: 'Export it as JPEG, PNG, WebP, AVIF or GIF.',
        };
      default:
        return english.cause(failure);
    }
  },
};
