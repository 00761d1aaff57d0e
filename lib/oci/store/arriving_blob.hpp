// A blob on its way into the store (private).
#pragma once

#include "cooper/oci/store.hpp"

#include "oci/store/store_directory.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace cooper::oci {

/// Bytes that are compared with a digest while they are read, and hear the verdict.
class JudgedSource : public Source {
public:
    /// All of it was read and is right; called before the last bytes are handed out.
    virtual void accept() = 0;
    /// It is not what its digest says. What to tell the user, may be empty.
    virtual std::string reject() = 0;
};

/// Hashes `inner` as it is read.
std::unique_ptr<Source> judged(std::unique_ptr<JudgedSource> inner, const Descriptor& blob);

/// Reads a blob that is not in the store: what its file below ingest/ has already from there, the rest from `base`.
///
/// Whoever holds the file's lock **writes**: keeps what it reads from `base`. Everybody else **follows**: reads what
/// the writer has written, and takes over its lock when it is free, because the writer ended, stopped in the middle or
/// was killed. A writer may also just stand still: its reader may be slow, or even wait for us. Then, after
/// kStandstill, a follower **passes** the rest on from `base` without keeping it, so that nobody waits for ever.
class ArrivingBlob final : public JudgedSource {
public:
    static constexpr std::chrono::milliseconds kPause{20};
    static constexpr std::chrono::milliseconds kStandstill{5000};

    /// nullptr when the blob turns out to be in the store by now.
    static std::unique_ptr<ArrivingBlob> open(std::shared_ptr<const StoreDirectory> directory,
                                              std::shared_ptr<const Blobs> base, Store::WhenFull when_full,
                                              const Descriptor& blob, const Run& run);

    std::size_t read(MutableBytes into) override;
    void accept() override;
    std::string reject() override;

    ArrivingBlob(std::shared_ptr<const StoreDirectory> directory, std::shared_ptr<const Blobs> base,
                 Store::WhenFull when_full, const Descriptor& blob, const Run& run);
    ~ArrivingBlob() override;
    ArrivingBlob(const ArrivingBlob&) = delete;
    ArrivingBlob& operator=(const ArrivingBlob&) = delete;

private:
    enum class Role { Writes, Follows, Passes };

    bool open_file();
    bool can_write();
    [[nodiscard]] bool file_is_in_place() const;
    std::size_t read_file(MutableBytes into);
    std::size_t read_base(MutableBytes into);
    void keep(Bytes chunk);
    void stop_keeping(const Error& why);
    void wait_for_writer();

    std::shared_ptr<const StoreDirectory> directory_;
    std::shared_ptr<const Blobs> base_;
    Store::WhenFull when_full_;
    Descriptor blob_;
    Run run_;
    std::filesystem::path path_;
    FileDescriptor file_;
    Role role_ = Role::Passes;
    std::uint64_t position_ = 0;
    std::uint64_t continued_ = 0;  ///< bytes that were kept before we became the writer
    bool file_ended_ = false;      ///< only the writer can tell
    std::chrono::milliseconds stood_still_{0};
    std::unique_ptr<Source> rest_;
};

}  // namespace cooper::oci
