/**
 * What TypeDoc makes of types that zod derives is hard to read: a parameter spells out every option, which its own
 * type lists below, and a schema is a type of many lines. This names the types and shows schemas as they are written.
 */
import { Comment, Converter, IntrinsicType, ReferenceType, ReflectionKind } from 'typedoc';
import { MarkdownPageEvent } from 'typedoc-plugin-markdown';
import ts from 'typescript';

/** @param {import('typedoc').Application} app */
export function load(app) {
  const { converter, renderer } = app;
  const convertType = converter.convertType.bind(converter);
  /** @type {Map<ts.Type, ts.Symbol> | undefined} */
  let names;

  converter.convertType = (context, type, node) => {
    if (!type || 'kind' in type) return convertType(context, type, node);
    names ??= namesOfDerivedTypes(context.program);
    const alias = names.get(type);
    if (alias) return context.createSymbolReference(alias, context);
    const schema = schemaName(type);
    if (schema) return ReferenceType.createBrokenReference(schema, context.project, 'zod');
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
        tag.content.unshift({ kind: 'code', text: `\`${error}\`` }, { kind: 'text', text: ' ' });
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
function namesOfDerivedTypes(program) {
  const checker = program.getTypeChecker();
  const names = new Map();
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile) continue;
    for (const statement of file.statements) {
      if (!ts.isTypeAliasDeclaration(statement)) continue;
      if (!/^z\.(?:input|infer)</.test(statement.type.getText(file))) continue;
      const symbol = checker.getSymbolAtLocation(statement.name);
      const type = symbol && checker.getDeclaredTypeOfSymbol(symbol);
      if (type && isOfObjects(type)) names.set(type, symbol);
    }
  }
  return names;
}

function isOfObjects(type) {
  if (type.isUnion()) return type.types.some(isOfObjects);
  return (type.flags & ts.TypeFlags.Object) !== 0;
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
