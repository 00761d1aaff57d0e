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
        keep_tail(as_text(chunk));
        return count;
    }

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
    std::string tail_;
};

/// What dockerd put behind a tar that it did not finish (streamformatter.FormatError); empty: nothing.
std::string last_words(std::string_view tail) {
    const std::size_t at = tail.rfind(R"({"errorDetail")");
    if (at == std::string_view::npos) {
        return "";
    }
    try {
        AnswerStream answer([](const std::string&) {});
        answer.feed(tail.substr(at));
        return answer.failure();
    } catch (const Error&) {
        return "";
    }
}

/// True: a tar from its first block to its end.
bool is_whole_tar(PassingSource& from, std::string& problem) {
    try {
        TarReader tar(from);
        while (tar.next()) {
        }
    } catch (const Error& error) {
        if (!from.usable()) {
            throw;
        }
        problem = error.what();
        return false;
    }
    const std::string_view tail = from.tail();
    if (tail.size() < kTarEnd || tail.find_first_not_of('\0', tail.size() - kTarEnd) != std::string_view::npos) {
        problem = "its end is missing";
        return false;
    }
    return true;
}

}  // namespace

void copy_saved_archive(Source& body, Sink& archive, const std::string& engine, const Run& run) {
    PassingSource from(body, archive, run);
    std::string problem;
    if (is_whole_tar(from, problem)) {
        return;
    }
    std::vector<std::byte> rest(kStreamStep);
    while (from.read(rest) > 0) {
    }
    const std::string words = last_words(from.tail());
    throw Error(ErrorCode::Unavailable, engine + " did not save all of the image: " +
                                            (words.empty() ? "the archive is cut, " + problem : words));
}

}  // namespace cooper::oci
