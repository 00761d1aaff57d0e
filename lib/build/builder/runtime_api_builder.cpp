#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/builder.hpp"

#include "base/reported_ranged.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr const char* kTask = "compressing the build context";

void refuse_what_is_unknown(const BuildRequest& request) {
    if (request.pull || request.no_cache) {
        throw Error(ErrorCode::Unsupported, std::string("the Runtime API cannot be told to ") +
                                                (request.pull ? "pull base images anew" : "run every step again") +
                                                ": it has a cache of its own")
            .advise("build with an engine");
    }
    const char* const what = request.platform         ? "a platform"
                             : !request.args.empty()  ? "build arguments"
                             : request.target.empty() ? nullptr
                                                      : "a target";
    if (what != nullptr) {
        throw Error(ErrorCode::Unsupported, std::string("the Runtime API cannot be asked for ") + what)
            .advise("put it into the Dockerfile, or build with an engine");
    }
}

Compression compression_of(const Ranged& context) {
    std::array<std::byte, 6> beginning{};
    const auto source = context.open(0, std::min<std::uint64_t>(beginning.size(), context.size()));
    return detect_compression(Bytes(beginning).first(read_full(*source, beginning)));
}

/// Writes to a file that never gets its name.
class NamelessSink final : public Sink {
public:
    explicit NamelessSink(AtomicFile& file) : file_(file) {}
    void write(Bytes chunk) override { file_.write(chunk); }
    void finish() override {}

private:
    AtomicFile& file_;
};

/// Compressed fast, not small: one upload is not worth the minutes.
std::shared_ptr<const Ranged> compressed(const std::shared_ptr<const Ranged>& context,
                                         const std::filesystem::path& spool, const Run& run) {
    const std::filesystem::path path = spool / "context.tar.gz";
    AtomicFile file(path, 0600);
    NamelessSink sink(file);
    const auto gzip = gzip_compressing(sink);
    run.progress->begin(kTask, context->size());
    const auto source = ReportedRanged(context, kTask, *run.progress).open();
    copy(*source, *gzip, run.stop);
    gzip->finish();
    run.progress->end(kTask);
    FileDescriptor spooled(::fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0));
    if (!spooled.valid()) {
        throw SystemError("cannot open " + path.string() + " again", errno);
    }
    return std::make_shared<FileRanged>(std::move(spooled), path);
}

}  // namespace

std::string RuntimeApiBuilder::description() const {
    return "the Runtime API at " + base_url_;
}

std::string RuntimeApiBuilder::build(const BuildRequest& request, const Run& run) {
    refuse_what_is_unknown(request);
    const bool ready = compression_of(*request.context) == Compression::Gzip;
    try {
        return api_.build(ready ? request.context : compressed(request.context, spool_, run), request.names, run);
    } catch (const RemoteBuildError& error) {
        if (!error.is_failed_step()) {
            throw;
        }
        BuildFailed failed(error.what());
        failed.advise(error.advice());
        throw failed;
    }
}

}  // namespace cooper::build
