// Text that must not be seen: it does not print, and is wiped when it goes.
#pragma once

#include <string>
#include <string_view>

namespace cooper {

/// Holds a password, token or key. There is no operator<<; `reveal()` marks every place where it leaves.
/// Copies are allowed (each wipes itself). Values may be shared between threads as const.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) {}
    Secret(const Secret&) = default;
    Secret(Secret&&) = default;
    /// Swaps, so that what was held before is wiped with `other`.
    Secret& operator=(Secret other) noexcept {
        text_.swap(other.text_);
        return *this;
    }
    ~Secret();

    [[nodiscard]] const std::string& reveal() const noexcept { return text_; }
    [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
    bool operator==(const Secret&) const = default;

private:
    std::string text_;
};

/// `text` with everything removed that is a secret by its form: `user:password@` in URLs, values of X-Amz-Signature,
/// X-Amz-Security-Token, X-Amz-Credential, `token=`, `sig=`, `Signature=`, Authorization headers. For log and error
/// lines.
std::string redact(std::string_view text);

}  // namespace cooper
