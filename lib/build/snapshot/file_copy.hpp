// Contents of files copied as cheaply as the file system can (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include <string>

namespace cooper::build {

/// Shares the blocks (FICLONE), else copies in the kernel, else through memory. Both are regular files, open at their
/// beginning; `path` names them in errors.
void copy_content(int from, int to, const std::string& path, const Run& run);

/// Reads an open file to its end. Borrows the descriptor.
class FileSource final : public Source {
public:
    FileSource(int file, std::string path) : file_(file), path_(std::move(path)) {}
    std::size_t read(MutableBytes into) override;

private:
    int file_;
    std::string path_;
};

}  // namespace cooper::build
