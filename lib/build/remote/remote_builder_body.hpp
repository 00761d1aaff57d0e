// What is sent to the Runtime API to be built: a body whose size is known beforehand and that is encoded while it is
// read, so that a context of any size takes a fixed amount of memory (`tags.md` 11).
#pragma once

#include "cooper/base/ranged.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cooper::build {

/// Standard base64 of `raw`, padded, one line. Opens at any offset. A `raw` that ends before its size is
/// Error{Integrity}.
class Base64Ranged final : public Ranged {
public:
    explicit Base64Ranged(std::shared_ptr<const Ranged> raw) : raw_(std::move(raw)) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return (raw_->size() + 2) / 3 * 4; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    std::shared_ptr<const Ranged> raw_;
};

/// Parts behind each other.
class JoinedRanged final : public Ranged {
public:
    explicit JoinedRanged(std::vector<std::shared_ptr<const Ranged>> parts) : parts_(std::move(parts)) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override;
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    std::vector<std::shared_ptr<const Ranged>> parts_;
};

struct BuildBody {
    std::string content_type;
    std::shared_ptr<const Ranged> body;
};

/// RFC 7578: `context` as base64 text, `target_image` the first name, one `tags` for each further name. The boundary
/// follows from the names alone: base64 has no "-", and a name cannot hold its own hash.
BuildBody multipart_body(std::shared_ptr<const Ranged> context, const std::vector<std::string>& names);

/// {"context": BASE64, "target_image": NAME}. Throws Error{InvalidInput} for a name that is not UTF-8.
BuildBody json_body(std::shared_ptr<const Ranged> context, const std::string& name);

}  // namespace cooper::build
