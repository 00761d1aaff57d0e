#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/builds/find_build.hpp"
#include "delivery/changelog/markdown.hpp"
#include "delivery/changelog/withdraw_entry.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::string_view kWithdrawnFile = "WITHDRAWN.txt";
constexpr std::size_t kMaxReason = 500;
constexpr std::size_t kDate = 10;

const std::map<std::string, std::string>& mark() {
    static const std::map<std::string, std::string> kMark{{"cooper-status", "withdrawn"}};
    return kMark;
}

/// One line that is fit for every document.
std::string checked_reason(std::string reason) {
    std::replace_if(
        reason.begin(), reason.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    std::string line = plain_line(trim(reason), kMaxReason);
    if (trim(line).empty()) {
        throw Error(ErrorCode::InvalidInput, "a build is withdrawn for a reason, and none was given");
    }
    return std::string(trim(line));
}

std::string notice_text(const FoundBuild& build, const Withdrawal& withdrawal) {
    // The day, as in the changelog: that of a build without release.json is known no better.
    std::string text = "WITHDRAWN on " + format_changelog(withdrawal.time).substr(0, kDate) + "\n\n";
    text += "Build " + build.folder + " must not be used any more.\n\n";
    text += "Reason: " + withdrawal.reason + "\n\n";
    text += "The files stay for the record, and their checksums and signatures still fit.\n";
    text += "Newer builds are listed in CHANGELOG.md of the branch.\n";
    return text;
}

class Withdrawer {
public:
    Withdrawer(Place& place, const Branch& branch, FoundBuild build, const Withdrawal& withdrawal, const Run& run)
        : place_(place), branch_(branch), withdrawal_(withdrawal), run_(run) {
        result_.build = std::move(build);
    }

    /// The changelog is written last: who reads it there finds everything else done.
    WithdrawResult withdraw() {
        write_notice();
        label_tarballs();
        write_record();
        write_changelog();
        result_.build.withdrawn = withdrawal_;
        return std::move(result_);
    }

private:
    void write_notice() {
        const std::string key = result_.build.folder + "/" + std::string(kWithdrawnFile);
        const std::string text = notice_text(result_.build, withdrawal_);
        if (const auto there = place_.find_text(key, run_); !there || there->text != text) {
            place_.put_text(key, text, run_);
            result_.changed = true;
        }
    }

    void label_tarballs() {
        for (const std::string& key : result_.build.tarballs) {
            run_.check();
            try {
                if (!place_.label(key, mark(), run_)) {
                    result_.labels_supported = false;
                    return;
                }
                ++result_.labelled;
            } catch (const Error& error) {
                if (error.code() != ErrorCode::Conflict && error.code() != ErrorCode::NotFound) {
                    throw;
                }
                // Others' tags leave no room, or it was removed meanwhile: the build is withdrawn all the same.
                run_.progress->notice(NoticeLevel::Warning, std::string("not labelled: ") + error.what());
            }
        }
    }

    void write_record() {
        if (!result_.build.release) {
            return;
        }
        ReleaseRecord& record = *result_.build.release;
        record.withdrawn = withdrawal_;
        result_.changed |= write_release(place_, result_.build.folder, record, run_);
    }

    void write_changelog() {
        const std::string folder_name = result_.build.folder.substr(result_.build.folder.rfind('/') + 1);
        const auto entries = branch_.entries_in(folder_name);
        if (entries.empty()) {
            run_.progress->notice(NoticeLevel::Warning, branch_.prefix() + "/CHANGELOG.md has no entry of " +
                                                            folder_name +
                                                            ": only its folder says that it is withdrawn");
        }
        for (const ParsedEntry* entry : entries) {
            result_.changed |= withdraw_entry(place_, branch_.prefix(), *entry, withdrawal_, run_);
        }
    }

    Place& place_;
    const Branch& branch_;
    Withdrawal withdrawal_;
    const Run& run_;
    WithdrawResult result_;
};

}  // namespace

WithdrawResult withdraw_build(Place& place, std::string_view branch_name, std::string_view commit,
                              const std::string& reason, const Run& run) {
    Withdrawal withdrawal{run.clock->now_seconds(), checked_reason(reason)};
    static_cast<void>(check_commit(commit));  // never "the newest one"
    const Branch branch(place, branch_name, run);
    FoundBuild build = branch.find(commit, BadRecord::Ignore);
    if (build.withdrawn && build.withdrawn->reason == withdrawal.reason) {
        withdrawal = *build.withdrawn;
    } else if (build.withdrawn) {
        // Of two withdrawals the later one counts, also within one second.
        withdrawal.time = std::max(withdrawal.time, build.withdrawn->time + std::chrono::seconds(1));
    }
    return Withdrawer(place, branch, std::move(build), withdrawal, run).withdraw();
}

}  // namespace cooper::delivery
