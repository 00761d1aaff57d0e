#include "cooper/delivery/reproduce.hpp"

#include "delivery/lock/pile_write.hpp"

namespace cooper::delivery {

oci::ArchiveWritten write_from_pile(const oci::ArchivePlan& plan, BlobPile& pile, const std::filesystem::path& path,
                                    const oci::ArchiveWriteOptions& options, const Run& run) {
    while (true) {
        try {
            return oci::write_archive(plan, path, options, run);
        } catch (const Error& error) {
            if (!pile.recover(run)) {
                throw;
            }
            run.progress->notice(NoticeLevel::Warning, std::string(error.what()) + "; another place has it");
        }
    }
}

oci::ArchiveWritten reproduce(const Lock& lock, BlobPile& pile, const std::filesystem::path& path,
                              const oci::ArchiveWriteOptions& options, const Run& run) {
    pile.complete(lock, run);
    oci::ArchiveWriteOptions proved = options;
    proved.expected = lock.output.sha256;
    try {
        return write_from_pile(plan_of(lock, pile.blobs()), pile, path, proved, run);
    } catch (const IntegrityError& error) {
        if (error.expected() != lock.output.sha256.text()) {
            throw;
        }
        // Every blob was what the lock says, and laid out as it says: the lock contradicts itself.
        throw NotReproducible(lock.output.name + " has come out with the SHA-256 " + error.actual() +
                              ", not the lock's " + error.expected() +
                              ", although its layout and all its blobs are what the lock says");
    }
}

}  // namespace cooper::delivery
