"""Python that has imported the large libraries before it is called.

Started with the path of a socket, it runs every program that is asked for in
a process of its own, forked from one that has torch and what else takes
seconds to import; nothing of MMAction2 or of this package. ``write_client``
makes a ``python`` that asks it, for the ``PATH`` of a shell.
"""
import json
import os
import runpy
import socket
import sys
import warnings
from importlib.machinery import PathFinder
from pathlib import Path

CLIENT = '''#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
socket.send_fds(connection, [b'.'], [0, 1, 2])
request = dict(args=sys.argv[1:], folder=os.getcwd(), env=dict(os.environ))
connection.sendall(json.dumps(request).encode() + b'\\n')
sys.exit(int(connection.makefile().readline() or 139))
'''


def write_client(client: Path, path: Path) -> None:
    """Write a program that is called as ``python`` is.

    Args:
        client: File to write.
        path: The server's socket.
    """
    client.write_text(CLIENT.format(python=sys.executable, path=str(path)))
    client.chmod(0o755)


class Installed:
    """The package of the checkout that ``CHECKOUT`` names, and only it.

    As after ``pip install -e .``, which makes nothing else in the checkout
    importable.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == 'mmdualpath':
            return PathFinder.find_spec(name, [os.environ['CHECKOUT']])


def run(args: list) -> None:
    """What ``python ARGS`` does."""
    while args and args[0] in ('-u', '-W'):
        if args.pop(0) == '-W':
            warnings.simplefilter(args.pop(0))
    if 'CHECKOUT' in os.environ:
        sys.meta_path.insert(0, Installed)
    places = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[:0] = [p for p in places if p]
    if args[:1] == ['-c']:
        sys.argv, sys.path[:0] = ['-c', *args[2:]], ['']
        exec(compile(args[1], '<string>', 'exec'), {'__name__': '__main__'})
    elif args[:1] == ['-m']:
        sys.argv, sys.path[:0] = args[1:], [os.getcwd()]
        runpy.run_module(args[1], run_name='__main__', alter_sys=True)
    else:
        sys.argv, sys.path[:0] = args, [str(Path(args[0]).parent.absolute())]
        runpy.run_path(args[0], run_name='__main__')


def serve(path: str) -> None:
    """Answer until the one who started it ends."""
    import av  # noqa: F401
    import cv2  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import mmengine.runner  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torchvision  # noqa: F401
    import transformers  # noqa: F401
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        connection, _ = server.accept()
        if os.fork():
            connection.close()
            continue
        server.close()
        _, fds, _, _ = socket.recv_fds(connection, 1, 3)
        request = json.loads(connection.makefile().readline())
        child = os.fork()
        if child:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            connection.sendall(f'{status % 256}\n'.encode())
            os._exit(0)
        connection.close()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.clear()
        os.environ.update(request['env'])
        os.chdir(request['folder'])
        return run(request['args'])


if __name__ == '__main__':
    del sys.path[0]
    serve(sys.argv[1])
