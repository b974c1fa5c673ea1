import { compare, formatTable } from './compare.ts';

console.log(formatTable(compare()));
