// What an engine says while it works: JSON objects after one another, with a line break between them or nothing
// (Docker Engine API, "image load"). They begin after the status 200, so failures are in here. A line that is no JSON
// is a failure told in plain text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// A message of progress is some 200 bytes; errors may quote a tool's output.
inline constexpr std::size_t kMaxEngineAnswer = 1024 * 1024;
/// All of them together: an image of 1,000 layers makes less than 1 MiB.
inline constexpr std::uint64_t kMaxEngineAnswers = 256 * 1024 * 1024;

/// Cuts the stream into objects as it comes, in pieces of any size, and gives out what they say.
class AnswerStream {
public:
    /// `on_text` gets the text of each answer that is no failure ("Loaded image: a:1\n").
    explicit AnswerStream(std::function<void(const std::string& text)> on_text) : on_text_(std::move(on_text)) {}

    /// Throws Error{Unavailable} for what is no such stream, or too much of it.
    void feed(std::string_view bytes);
    /// The stream is over. Throws Error{Unavailable} when it ended inside an object.
    void finish();
    /// The first failure in the engine's own words, fit for a message; empty: none so far.
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

private:
    void take(char c);
    void end_line();
    void end_object();
    void fail(std::string_view words);

    std::function<void(const std::string&)> on_text_;
    std::string answer_;     // what is there of the current one
    std::size_t depth_ = 0;  // of braces; 0 with an answer: a line of text
    bool in_string_ = false;
    bool escaped_ = false;
    std::uint64_t total_ = 0;
    std::string failure_;
};

}  // namespace cooper::oci
