"""The open network, spoken to with distrust: https only, public addresses only, bounded in time and size."""
