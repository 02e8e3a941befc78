"""How the documentation becomes a site: what ``mkdocs.yml`` calls.

A page is written once, at the place where it is read on GitHub, and its links
are those that GitHub follows. In the site the content of docs/ stands at the
top, and everything else where it stands in the repository. What a page links
to is then

- another page, or a picture;
- a folder, that is its README.md;
- any other file, such as a config: a page shows its content.

Notebooks become pages with their outputs, and each package of ``mmdualpath``
a page of the reference. A link that leads nowhere is a warning, which
``mkdocs build --strict`` takes for an error.
"""
import os
import re
from pathlib import Path
from typing import Callable, Dict, List

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# What is no address and no code: blocks, comments.
CODE = re.compile(r'(^ *```.*?^ *```$)', re.M | re.S)
LINK = re.compile(r'(?<=\]\()([^)\s:#]+)(#[^)\s]*)?(?=\))')
# Pages that stand outside of docs/.
OUTSIDE = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md',
           'mmdualpath/released/README.md', 'configs/**/README.md')
# The pages of the reference: packages and modules.
REFERENCE = {
    'Adapters': 'models.adapters',
    'Backbones': 'models.backbones',
    'Sites of a backbone': 'models.sites',
    'Heads': 'models.heads',
    'Recognizers': 'models.recognizers',
    'Parts of models': 'models',
    'Weights': 'models.weights',
    'Data': 'datasets',
    'Transforms': 'datasets.transforms',
    'Hooks': 'engine.hooks',
    'Optimizers': 'engine',
    'Predictions, features, reports': 'apis',
    'Fitting': 'apis.fit',
    'Export': 'deploy',
    'Pictures': 'visualization',
    'Analysis': 'analysis',
    'Ground floor': '',
}


def in_site(path: str) -> str:
    """Where a file of the repository stands in the site."""
    return path.removeprefix('docs/').replace('.ipynb', '.md')


def target(link: str, page: str) -> str:
    """The path in the repository that a link of a page leads to."""
    path = os.path.normpath(os.path.join(os.path.dirname(page), link))
    return f'{path}/README.md' if (ROOT / path).is_dir() else path


def outside_code(change: Callable[[str], str], text: str) -> str:
    """A page whose text, and none of whose blocks, is changed."""
    parts = CODE.split(text)
    parts[::2] = map(change, parts[::2])
    return ''.join(parts)


def linked(text: str, page: str) -> List[str]:
    """Paths in the repository that a page links to."""
    return [
        target(path, page) for part in CODE.split(text)[::2]
        for path, _ in LINK.findall(part)
    ]


def for_site(text: str, page: str, files: Files) -> str:
    """A page as the site has it: links of the site, without comments."""

    def relative(found: re.Match) -> str:
        path = in_site(target(found[1], page))
        if files.get_file_from_path(path) is None:
            path += '.md'  # the page that shows a file
        here = os.path.dirname(in_site(page))
        return os.path.relpath(path, here or '.') + (found[2] or '')

    def change(part: str) -> str:
        return LINK.sub(relative, re.sub(r'<!--.*?-->', '', part, flags=re.S))

    return outside_code(change, text)


def shown(path: str) -> str:
    """The page that shows a file."""
    kind = {'.py': 'python', '.yml': 'yaml', '.cff': 'yaml'}
    language = kind.get(Path(path).suffix, 'text')
    return (f'---\nsearch: {{exclude: true}}\n---\n\n# {Path(path).name}\n\n'
            f'`{path}`\n\n````{language}\n{(ROOT / path).read_text()}````\n')


def modules(package: str) -> List[str]:
    """A package's modules, or the module; packages in it are left out."""
    folder = ROOT / 'mmdualpath' / package.replace('.', '/')
    prefix = '.'.join(filter(None, ('mmdualpath', package)))
    names = sorted(p.stem for p in folder.glob('*.py') if p.stem[0] != '_')
    return [f'{prefix}.{name}' for name in names]


def reference(title: str, package: str) -> str:
    """A page of the reference."""
    return f'# {title}\n\n' + '\n\n'.join(f'::: {name}'
                                          for name in modules(package)) + '\n'


def add_notebook(file: File, files: Files, config: MkDocsConfig) -> None:
    """Put a notebook's page and its pictures in its place."""
    from nbconvert import MarkdownExporter
    body, resources = MarkdownExporter().from_filename(file.abs_src_path)
    folder = Path(file.src_uri).stem
    files.remove(file)
    for name, picture in resources['outputs'].items():
        body = body.replace(f']({name})', f']({folder}/{name})')
        files.append(
            File.generated(config, f'{folder}/{name}', content=picture))
    files.append(File.generated(config, in_site(file.src_uri), content=body))


def expanded(nav: list, pages: Dict[str, str]) -> list:
    """The navigation with the pages in place of a folder."""
    items = []
    for item in nav:
        if isinstance(item, dict):
            (title, inner), = item.items()
            inner = expanded(
                inner if isinstance(inner, list) else [inner], pages)
            items.append({title: inner if len(inner) > 1 else inner[0]})
        elif item.endswith('/'):
            items += [
                p for p in pages
                if p.startswith(item) and not p.endswith('.py.md')
            ]
        else:
            items.append(in_site(item))
    return items


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is no file of docs/."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            files.append(
                File(
                    str(path.relative_to(ROOT)), str(ROOT), config.site_dir,
                    config.use_directory_urls))
    for file in [f for f in files if f.src_uri.endswith('.ipynb')]:
        add_notebook(file, files, config)
    for path in sorted({
            path
            for file in files.documentation_pages()
            for path in linked(file.content_string, source(file))
            if files.get_file_from_path(in_site(path)) is None and (
                ROOT / path).is_file()
    }):
        files.append(File.generated(config, f'{path}.md', content=shown(path)))
    for title, package in REFERENCE.items():
        name = package or 'mmdualpath'
        files.append(
            File.generated(
                config,
                f'reference/{name}.md',
                content=reference(title, package)))
    config.nav = expanded(config.nav,
                          [f.src_uri for f in files.documentation_pages()])
    return files


def source(file: File) -> str:
    """The path in the repository of a page."""
    if (ROOT / 'docs' / file.src_uri).with_suffix('.ipynb').is_file():
        return f'docs/{file.src_uri}'
    if file.abs_src_path is None:
        return file.src_uri
    return os.path.relpath(file.abs_src_path, ROOT)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig,
                     files: Files) -> str:
    """Its links, and no comments."""
    if page.file.src_uri.endswith('.py.md'):
        return markdown
    return for_site(markdown, source(page.file), files)


class SphinxRoles(griffe.Extension):
    """Docstrings refer to others by Sphinx's roles, as OpenMMLab's do."""

    def on_package(self, *, pkg: griffe.Module, **kwargs) -> None:
        """Rewrite all of a package once it is read."""
        self.rewrite(pkg)

    def rewrite(self, place: griffe.Object) -> None:
        """Rewrite the docstrings of an object and of what it holds."""

        def link(found: re.Match) -> str:
            name = found[1].lstrip('~')
            try:
                path = place.resolve(name)
            except griffe.NameResolutionError:
                path = name
            if path.startswith('mmdualpath.'):
                return f'[`{name}`][{path}]'
            return f'`{name}`'

        if place.docstring:
            text = re.sub(r':\w+:`([^`]+)`', link, place.docstring.value)
            text = text.replace('::\n\n', ':\n\n')
            if place.is_module:  # paper, official code and departures
                text = re.sub(r'\n(?=[A-Z][a-z ]+: )', '\n\n', text)
            place.docstring.value = text
        for member in place.members.values():
            if not member.is_alias:
                self.rewrite(member)
