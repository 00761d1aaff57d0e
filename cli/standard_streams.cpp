#include "standard_streams.hpp"

#include "exit_code.hpp"

#include <unistd.h>

#include <cerrno>

namespace cooper::cli {

std::size_t StandardInput::read(MutableBytes into) {
    while (true) {
        const ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            throw SystemError("reading standard input", errno);
        }
    }
}

void StandardOutput::write(Bytes chunk) {
    if (!checked_ && ::isatty(STDOUT_FILENO) == 1) {
        throw UsageError("an archive is not for the terminal", "a file, or a pipe behind it");
    }
    checked_ = true;
    while (!chunk.empty()) {
        const ssize_t count = ::write(STDOUT_FILENO, chunk.data(), chunk.size());
        if (count >= 0) {
            chunk = chunk.subspan(static_cast<std::size_t>(count));
        } else if (errno != EINTR) {
            throw SystemError("writing standard output", errno);
        }
    }
}

}  // namespace cooper::cli
