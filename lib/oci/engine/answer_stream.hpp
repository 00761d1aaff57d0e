// What an engine says while it works: JSON objects after one another, with a line break between them or nothing
// (Docker Engine API, "image load"). They begin after the status 200, so failures are in here. A line that is no JSON
// is a failure told in plain text.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace cooper::oci {

/// A message of progress is some 200 bytes; errors may quote a tool's output.
inline constexpr std::size_t kMaxEngineAnswer = 1024 * 1024;
/// All of them together: an image of 1,000 layers makes less than 1 MiB.
inline constexpr std::uint64_t kMaxEngineAnswers = 256 * 1024 * 1024;

/// One answer that is no failure, as the engine has it: unfit for a terminal. What it does not say is empty.
struct EngineAnswer {
    std::string text;      ///< "stream": "Loaded image: a:1\n"; of a build in pieces, a line may come in several
    std::string status;    ///< of a pull: "Downloading"
    std::string id;        ///< what the status is of: a layer
    std::string image_id;  ///< aux.ID: what a stage of a build came to
    bool counts = false;   ///< the status is one of many that tell how far `id` is
    std::uint64_t done = 0;
    std::uint64_t total = 0;
};

/// Cuts the stream into objects as it comes, in pieces of any size, and gives out what they say.
class AnswerStream {
public:
    explicit AnswerStream(std::function<void(const EngineAnswer& answer)> on_answer,
                          std::uint64_t limit = kMaxEngineAnswers)
        : on_answer_(std::move(on_answer)), limit_(limit) {}

    /// Throws Error{Unavailable} for what is no such stream, or too much of it.
    void feed(std::string_view bytes);
    /// All of a body, to its end.
    void feed_all(Source& body);
    /// The stream is over. Throws Error{Unavailable} when it ended inside an object.
    void finish();
    /// The first failure, fit for a message; empty: none so far.
    [[nodiscard]] std::string failure() const;
    /// The same in the engine's own words.
    [[nodiscard]] const std::string& raw_failure() const noexcept { return failure_; }

private:
    void take(char c);
    void end_line();
    void end_object();
    void fail(std::string_view words);

    std::function<void(const EngineAnswer&)> on_answer_;
    std::uint64_t limit_;
    std::string answer_;     // what is there of the current one
    std::size_t depth_ = 0;  // of braces; 0 with an answer: a line of text
    bool in_string_ = false;
    bool escaped_ = false;
    std::uint64_t total_ = 0;
    std::string failure_;
};

}  // namespace cooper::oci
