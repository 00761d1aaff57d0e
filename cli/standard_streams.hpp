// Standard input and output as streams, for places called "-".
#pragma once

#include "cooper/base/stream.hpp"

namespace cooper::cli {

/// Reads file descriptor 0. Throws SystemError.
class StandardInput final : public Source {
public:
    std::size_t read(MutableBytes into) override;
};

/// Writes file descriptor 1. Throws SystemError; UsageError at the first byte when it is a terminal.
class StandardOutput final : public Sink {
public:
    void write(Bytes chunk) override;
    void finish() override {}

private:
    bool checked_ = false;
};

}  // namespace cooper::cli
