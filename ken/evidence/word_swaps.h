// Words that stand in for each other: the same prompt about somebody else.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ken::evidence {

using WordSwaps = std::vector<std::pair<std::string, std::string>>;  // from, to

// "from>to;from>to", or the path of a JSON file {"from": "to" or ["to", ...]}; empty: none. Errors begin with `where`.
WordSwaps read_word_swaps(const std::string& text, std::string_view where);
// The same in both directions.
WordSwaps both_ways(const WordSwaps& swaps);

// Every occurrence that is not inside a longer word, all at once and the longest first, so that "a>b;b>a" exchanges.
std::string swap_words(std::string_view text, const WordSwaps& swaps);

}  // namespace ken::evidence
