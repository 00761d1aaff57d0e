#include "oci/engine/saved_archive.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "oci/engine/answer_stream.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

constexpr std::size_t kTail = 64 * 1024;  // more than an error of dockerd is long
constexpr std::size_t kTarEnd = 2 * kTarBlock;

/// Passes on what is read from it, and keeps the end of it.
class PassingSource final : public Source {
public:
    PassingSource(Source& from, Sink& to, const Run& run) : from_(from), to_(to), run_(run) {}

    std::size_t read(MutableBytes into) override {
        usable_ = false;
        run_.check();
        const std::size_t count = from_.read(into);
        const Bytes chunk = Bytes(into).first(count);
        to_.write(chunk);
        usable_ = true;
        position_ += count;
        keep_tail(as_text(chunk));
        return count;
    }

    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

    /// False: one of the streams threw.
    [[nodiscard]] bool usable() const noexcept { return usable_; }

    [[nodiscard]] std::string_view tail() const {
        return std::string_view(tail_).substr(tail_.size() - std::min(tail_.size(), kTail));
    }

private:
    void keep_tail(std::string_view chunk) {
        tail_ += chunk.substr(chunk.size() - std::min(chunk.size(), kTail));
        if (tail_.size() > 2 * kTail) {
            tail_.erase(0, tail_.size() - kTail);
        }
    }

    Source& from_;
    Sink& to_;
    const Run& run_;
    bool usable_ = true;
    std::uint64_t position_ = 0;
    std::string tail_;
};

/// What dockerd put behind a tar that it did not finish (streamformatter.FormatError); empty: nothing.
std::string last_words(std::string_view tail) {
    const std::size_t at = tail.rfind(R"({"errorDetail")");
    if (at == std::string_view::npos) {
        return "";
    }
    try {
        AnswerStream answer([](const EngineAnswer&) {});
        answer.feed(tail.substr(at));
        return answer.failure();
    } catch (const Error&) {
        return "";
    }
}

/// What is wrong with the tar; empty: it is there from its first block to its end.
std::string problem_of(PassingSource& from) {
    std::uint64_t end_of_members = 0;
    try {
        TarReader tar(from);
        while (const auto entry = tar.next()) {
            end_of_members = from.position() + entry->size + tar_padding(entry->size);
        }
    } catch (const Error& error) {
        if (!from.usable()) {
            throw;
        }
        return error.what();
    }
    return from.position() < end_of_members + kTarEnd || from.position() % kTarBlock != 0 ? "its end is missing" : "";
}

}  // namespace

void copy_saved_archive(Source& body, Sink& archive, const std::string& engine, const Run& run) {
    PassingSource from(body, archive, run);
    const std::string problem = problem_of(from);
    if (problem.empty()) {
        return;
    }
    std::vector<std::byte> rest(kStreamStep);
    while (from.read(rest) > 0) {
    }
    const std::string words = last_words(from.tail());
    throw Error(ErrorCode::Unavailable, engine + " did not save all of the image: " +
                                            (words.empty() ? "what it sent is no whole archive: " + problem : words));
}

}  // namespace cooper::oci
