/**
 * What TypeDoc makes of types that zod derives is hard to read: a parameter spells out every option, which its own
 * type lists below, and a schema is a type of many lines. This names the types and shows schemas as they are written.
 */
import {
  ArrayType,
  Comment,
  Converter,
  IntrinsicType,
  ReferenceType,
  ReflectionKind,
  UnionType,
} from 'typedoc';
import { MarkdownPageEvent } from 'typedoc-plugin-markdown';
import ts from 'typescript';

/** @param {import('typedoc').Application} app */
export function load(app) {
  const { converter, renderer } = app;
  const convertType = converter.convertType.bind(converter);
  /** @type {DerivedTypes | undefined} */
  let derived;

  converter.convertType = (context, type, node) => {
    if (!type || 'kind' in type) return convertType(context, type, node);
    derived ??= new DerivedTypes(context.program);
    if (node && derived.areNamedIn(node)) return convertType(context, node);
    const alias = derived.aliasOf(type);
    if (alias) return context.createSymbolReference(alias, context);
    const schema = schemaName(type);
    if (schema) return ReferenceType.createBrokenReference(schema, context.project, 'zod');
    if (type.isUnion() && type.types.some((member) => derived.aliasOf(member))) {
      // `null` comes last, as people write it.
      const isNull = ({ flags }) => Number((flags & ts.TypeFlags.Null) !== 0);
      const members = type.types.toSorted((a, b) => isNull(a) - isNull(b));
      return new UnionType(members.map((member) => converter.convertType(context, member)));
    }
    const element = context.checker.isArrayType(type) && context.checker.getTypeArguments(type)[0];
    if (element && derived.aliasOf(element)) {
      return new ArrayType(converter.convertType(context, element));
    }
    return convertType(context, type, node);
  };

  converter.on(Converter.EVENT_CREATE_PARAMETER, (context, reflection) => {
    if (reflection.name !== '__namedParameters') return;
    const type = context.getSymbolFromReflection(reflection)?.valueDeclaration?.type?.getText();
    reflection.name = /^[A-Z]\w*$/.test(type) ? type[0].toLowerCase() + type.slice(1) : 'options';
  });

  converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const { comment } of Object.values(context.project.reflections)) {
      for (const tag of comment?.getTags('@throws') ?? []) {
        if (!tag.typeAnnotation) continue;
        const error = tag.typeAnnotation.replace(/^\{|\}$/g, '');
        if (tag.content.length > 0) tag.content.unshift({ kind: 'text', text: ' ' });
        tag.content.unshift({ kind: 'code', text: `\`${error}\`` });
      }
    }
  });

  converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (reflection.kind !== ReflectionKind.Variable) return;
    const declaration = context.getSymbolFromReflection(reflection)?.valueDeclaration;
    if (!declaration || !ts.isVariableDeclaration(declaration) || declaration.type) return;
    const { initializer } = declaration;
    if (!initializer) return;
    const cast = ts.isAsExpression(initializer) && initializer.type;
    if (cast && !ts.isConstTypeReference(cast)) {
      reflection.type = convertType(context.withScope(reflection), cast);
    } else if (schemaName(context.checker.getTypeAtLocation(declaration))) {
      showSource(reflection, initializer);
    } else if (ts.isSatisfiesExpression(initializer) && reflection.type?.type === 'reflection') {
      context.project.removeReflection(reflection.type.declaration);
      reflection.type = new IntrinsicType('object');
      showSource(reflection, initializer);
    }
  });

  renderer.on(MarkdownPageEvent.END, (page) => {
    page.contents = page.contents?.replace(
      /### .+\n\nRe-exports (\[.+\]\(.+\))\n\n(?:\*\*\*\n\n)?/g,
      '- $1\n',
    );
  });
}

/** Types such as `z.input<typeof optionsSchema>`, which the compiler itself does not know by their names. */
class DerivedTypes {
  #checker;
  #aliases = new Map();
  /** What a schema takes and what it gives are two types, though often of one text. */
  #byText = new Map();
  #names = new Set();

  constructor(program) {
    this.#checker = program.getTypeChecker();
    for (const file of program.getSourceFiles()) {
      if (file.isDeclarationFile) continue;
      for (const statement of file.statements) {
        if (ts.isTypeAliasDeclaration(statement)) this.#take(statement);
      }
    }
  }

  #take({ name, type: node, typeParameters }) {
    if (typeParameters || !/^(?:z\.(?:input|infer)<|keyof typeof PROBLEMS)/.test(node.getText()))
      return;
    const symbol = this.#checker.getSymbolAtLocation(name);
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol);
    this.#names.add(name.text);
    if (!isLong(type)) return;
    this.#aliases.set(type, symbol);
    this.#byText.set(this.#textOf(type), symbol);
  }

  aliasOf(type) {
    if (!isLong(type)) return undefined;
    return this.#aliases.get(type) ?? this.#byText.get(this.#textOf(type));
  }

  areNamedIn(node) {
    return (
      node
        .getText()
        .match(/\w+/g)
        ?.some((word) => this.#names.has(word)) ?? false
    );
  }

  #textOf(type) {
    return this.#checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation);
  }
}

/** Whether a name says it better: of objects without a name, and of a dozen literals. */
function isLong(type) {
  if (type.isUnion()) return type.types.length > 12 || type.types.some(isLong);
  const isNamed = type.aliasSymbol ?? !/^__(?:type|object)$/.test(type.symbol?.name ?? '__type');
  return (type.flags & ts.TypeFlags.Object) !== 0 && !isNamed;
}

function schemaName(type) {
  const name = (type.aliasSymbol ?? type.symbol)?.name;
  return name && /^Zod[A-Z]/.test(name) ? name : undefined;
}

function showSource(reflection, node) {
  const code = `\n\n\`\`\`ts\n${node.getText()}\n\`\`\``;
  reflection.comment ??= new Comment();
  reflection.comment.summary.push({ kind: 'code', text: code });
}
