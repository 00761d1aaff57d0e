"""A TCP forwarder on loopback that lets so many bytes a second through, so that a test can stop a transfer in the middle."""

import socket
import threading
import time

CHUNK = 16 * 1024


class SlowProxy:
    def __init__(self, port, bytes_per_second):
        self.target, self.rate = port, bytes_per_second
        self.forwarded = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.forward, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.forward, args=(server, client, True), daemon=True).start()

    def forward(self, source, sink, limited):
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
                if limited:
                    self.forwarded += len(data)
                    time.sleep(len(data) / self.rate)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
